/*
 * what_if.c
 *	  nurture_what_if: what a version would change, before it is published.
 *
 * One pass over the leads scores each by both versions from one reading of
 * its row.  Nothing is written, so it works on a standby and for a role that
 * may only read; it sees the leads that the caller may see.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/pass.h"
#include "scoring/what_if.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_what_if);
NURTURE_FUNCTION(nurture_what_if_matrix);

#define WHAT_IF_COLUMNS 5
#define MATRIX_COLUMNS 3

typedef struct WhatIf WhatIf;

struct WhatIf
{
	const CompiledModel *version;
	const CompiledModel *against;	/* NULL = what applies without it */
	/* before is NULL when no model applies now */
	void		(*visit) (WhatIf *what_if, int64 lead_id,
						  const ScoreSummary *before, const ScoreSummary *after);

	/* of rows */
	ReturnSetInfo *result;
	PointsCache *old_total;
	PointsCache *new_total;
	GradeCache *grades;

	WhatIfMatrix *matrix;		/* of counts */
};

static void
score_twice(void *arg, Subject *subject)
{
	WhatIf	   *what_if = arg;
	const CompiledModel *now = what_if->against;
	ScoreSummary before;
	ScoreSummary after;
	text	   *audience = NULL;
	const char *name = "";
	size_t		len = 0;

	if (!subject->nulls[SUBJECT_AUDIENCE_TYPE])
	{
		audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
		name = VARDATA_ANY(audience);
		len = VARSIZE_ANY_EXHDR(audience);
	}
	if (!nurture_model_is_for(what_if->version, name, len))
		return;
	if (now == NULL && what_if->version->is_default)
		now = nurture_model_of(what_if->version->product, name, len, false);
	if (now != NULL)
		nurture_score_with(subject, now, &before);
	nurture_score_with(subject, what_if->version, &after);
	what_if->visit(what_if, subject->lead_id, now ? &before : NULL, &after);
}

/* Compiles both versions and makes the pass. */
static void
pass_versions(WhatIf *what_if, const char *model, int version, int against,
			  const char *condition)
{
	uint64		generation;
	uint64		mask = nurture_models_mask(&generation);

	what_if->version = nurture_model_version(model, version);
	what_if->against = against > 0 ? nurture_model_version(model, against) :
		nurture_model_published(model);
	mask = what_if->against == NULL ? mask : what_if->against->mask;
	mask |= what_if->version->mask;
	mask |= UINT64CONST(1) << SUBJECT_AUDIENCE_TYPE;
	nurture_score_pass(mask, condition, score_twice, what_if);
}

static int
grade_index(const char *grade)
{
	return grade[0] == '\0' ? WHAT_IF_NO_GRADE : (grade[0] - 'A') * 4 + grade[1] - '1';
}

static char *
grade_text(int index)
{
	return index == WHAT_IF_NO_GRADE ? pstrdup("none") :
		psprintf("%c%c", 'A' + index / 4, '1' + index % 4);
}

static void
count_lead(WhatIf *what_if, int64 lead_id, const ScoreSummary *before,
		   const ScoreSummary *after)
{
	int			old_grade = before ? grade_index(before->grade) : WHAT_IF_NO_GRADE;
	int			new_grade = grade_index(after->grade);

	what_if->matrix->leads++;
	what_if->matrix->compared += before != NULL;
	what_if->matrix->moved += before != NULL && old_grade != new_grade;
	what_if->matrix->cells[old_grade][new_grade]++;
}

/* Counts which leads go from which grade to which. */
void
nurture_what_if_count(const char *model, int version, int against,
					  const char *condition, WhatIfMatrix *matrix)
{
	WhatIf		what_if = {.visit = count_lead,.matrix = matrix};

	memset(matrix, 0, sizeof(*matrix));
	pass_versions(&what_if, model, version, against, condition);
}

/* Returns the most frequent moves in words, the largest first. */
char	   *
nurture_what_if_moves(const WhatIfMatrix *matrix, int most)
{
	StringInfoData buf;
	bool		told[WHAT_IF_GRADES][WHAT_IF_GRADES] = {0};

	initStringInfo(&buf);
	for (int n = 0; n < most; n++)
	{
		int			from = -1;
		int			to = -1;

		for (int i = 0; i < WHAT_IF_GRADES; i++)
		{
			for (int j = 0; j < WHAT_IF_GRADES; j++)
			{
				if (i != j && matrix->cells[i][j] > 0 && !told[i][j] &&
					(from < 0 || matrix->cells[i][j] > matrix->cells[from][to]))
				{
					from = i;
					to = j;
				}
			}
		}
		if (from < 0)
			break;
		told[from][to] = true;
		appendStringInfo(&buf, "%s%s to %s: " INT64_FORMAT, n > 0 ? ", " : "",
						 grade_text(from), grade_text(to), matrix->cells[from][to]);
	}
	return buf.data;
}

static void
put_lead(WhatIf *what_if, int64 lead_id, const ScoreSummary *before,
		 const ScoreSummary *after)
{
	Datum		values[WHAT_IF_COLUMNS];
	bool		nulls[WHAT_IF_COLUMNS] = {false};

	values[0] = Int64GetDatum(lead_id);
	nulls[1] = nulls[3] = before == NULL;
	if (before != NULL)
	{
		values[1] = nurture_points_cached(what_if->old_total, before->total);
		values[3] = nurture_grade_cached(what_if->grades, before->grade, &nulls[3]);
	}
	values[2] = nurture_points_cached(what_if->new_total, after->total);
	values[4] = nurture_grade_cached(what_if->grades, after->grade, &nulls[4]);
	tuplestore_putvalues(what_if->result->setResult, what_if->result->setDesc,
						 values, nulls);
}

/* Reads the arguments that both functions have. */
static void
read_arguments(FunctionCallInfo fcinfo, char **model, int *version, int *against)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model and version must not be null"),
				 errhint("Call nurture_what_if(model, version); versions are rows of nurture.model_version.")));
	*model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	*version = PG_GETARG_INT32(1);
	*against = 0;
	if (!PG_ARGISNULL(2))
	{
		*against = PG_GETARG_INT32(2);
		/* 0 stands for what is in force, so it must not come from outside */
		if (*against <= 0)
			(void) nurture_model_version(*model, *against);
	}
}

/*
 * nurture_what_if(model text, version int, against_version int) returns setof
 * (lead_id bigint, old_total numeric, new_total numeric, old_grade text,
 * new_grade text), by lead_id.
 */
Datum
nurture_what_if(PG_FUNCTION_ARGS)
{
	WhatIf		what_if = {.visit = put_lead};
	char	   *model;
	int			version;
	int			against;

	InitMaterializedSRF(fcinfo, 0);
	read_arguments(fcinfo, &model, &version, &against);
	what_if.result = (ReturnSetInfo *) fcinfo->resultinfo;
	what_if.old_total = nurture_points_cache();
	what_if.new_total = nurture_points_cache();
	what_if.grades = nurture_grade_cache();
	pass_versions(&what_if, model, version, against, NULL);
	return (Datum) 0;
}

/*
 * nurture_what_if_matrix(model text, version int, against_version int) returns
 * setof (old_grade text, new_grade text, leads bigint).
 */
Datum
nurture_what_if_matrix(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WhatIfMatrix matrix;
	char	   *model;
	int			version;
	int			against;

	InitMaterializedSRF(fcinfo, 0);
	read_arguments(fcinfo, &model, &version, &against);
	nurture_what_if_count(model, version, against, NULL, &matrix);
	for (int i = 0; i < WHAT_IF_GRADES; i++)
	{
		for (int j = 0; j < WHAT_IF_GRADES; j++)
		{
			Datum		values[MATRIX_COLUMNS];
			bool		nulls[MATRIX_COLUMNS] = {i == WHAT_IF_NO_GRADE, j == WHAT_IF_NO_GRADE};

			if (matrix.cells[i][j] == 0)
				continue;
			values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(grade_text(i));
			values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(grade_text(j));
			values[2] = Int64GetDatum(matrix.cells[i][j]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
