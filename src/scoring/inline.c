/*
 * inline.c
 *	  Puts the query behind nurture_score into the query that calls it, and
 *	  takes from that of a view what nobody asks for.
 *
 * Called row by row, nurture_score starts and ends an executor of its own for
 * every lead, which costs more than the score.  So the planner is told (by a
 * support function) that
 *
 *		nurture_score(x)
 *
 * is the same as
 *
 *		(SELECT nurture_score_part(...columns...) FROM nurture.lead l
 *		 LEFT JOIN nurture.activity a ... WHERE l.lead_id = x)
 *
 * which it then plans and runs with the rest, by index or otherwise, with the
 * caller's rights as before.
 *
 * Left alone are: queries without FROM (PL/pgSQL takes those for simple
 * expressions, which may hold no subplan), grouped queries (two subplans are
 * never the same expression, so a group could not be recognised), arguments
 * that are volatile or hold subqueries, and leads, activity or accounts under
 * row-level security (whose rules are added by the rewriter, which has run).
 */
#include "base/compat.h"

#include "access/table.h"
#include "base/owner.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "rewrite/rewriteManip.h"
#include "scoring/model_private.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_score_support);

/* a row per function of one lead: what of the score it returns */
static const struct
{
	const char *function;
	int			part;			/* ScorePart */
}			parts[] = {
	{"nurture_fit", SCORE_FIT},
	{"nurture_intent", SCORE_INTENT},
	{"nurture_score", SCORE_TOTAL},
};

static bool
has_row_security(const char *table)
{
	Oid			oid = nurture_table_oid(table, true);
	Relation	rel;
	bool		secured;

	if (!OidIsValid(oid))
		return true;			/* nothing to inline into */
	rel = table_open(oid, AccessShareLock);
	secured = rel->rd_rel->relrowsecurity || rel->rd_rel->relkind != RELKIND_RELATION;
	table_close(rel, AccessShareLock);
	return secured;
}

/* Returns the text of the subquery; $1 is the lead. */
static char *
subquery_text(int part, uint64 mask)
{
	StringInfoData buf;
	bool		account = (mask >> SUBJECT_ACCOUNT_NAME) != 0;

	initStringInfo(&buf);
	appendStringInfo(&buf, "SELECT %s.nurture_score_part(%d, " UINT64_FORMAT "::pg_catalog.int8, l.lead_id, l.merged_into, l.erased_at, a.signals, a.topics",
					 nurture_extension_schema(), part, mask);
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
		appendStringInfo(&buf, ", %s",
						 mask & (UINT64CONST(1) << i) ? nurture_subject_expression(i) : "NULL");
	appendStringInfoString(&buf, ") FROM nurture.lead l LEFT JOIN nurture.activity a ON a.lead_id OPERATOR(pg_catalog.=) l.lead_id");
	if (account)
		appendStringInfoString(&buf, " LEFT JOIN nurture.account c ON c.account_id OPERATOR(pg_catalog.=) l.account_id");
	appendStringInfoString(&buf, " WHERE l.lead_id OPERATOR(pg_catalog.=) $1");
	return buf.data;
}

static Node *
replace_parameter(Node *node, void *argument)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
		return copyObject((Node *) argument);
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, replace_parameter, argument, 0);
	return expression_tree_mutator(node, replace_parameter, argument);
}

/* What is selected depends on the published models. */
static void
depends_on_models(PlannerInfo *root)
{
	root->glob->relationOids = lappend_oid(root->glob->relationOids,
										   nurture_table_oid("model_version", false));
}

static Node *
inlined(SupportRequestSimplify *request)
{
	PlannerInfo *root = request->root;
	FuncExpr   *call = request->fcall;
	Query	   *parse;
	Node	   *argument;
	char	   *name;
	int			part = -1;
	uint64		mask;
	uint64		generation;
	char	   *text_of_query;
	Oid			types[1] = {INT8OID};
	Query	   *subquery;
	List	   *queries;
	SubLink    *sublink;

	if (root == NULL || list_length(call->args) != 1)
		return NULL;
	parse = root->parse;
	if (parse->jointree == NULL || parse->jointree->fromlist == NIL ||
		parse->groupClause != NIL || parse->groupingSets != NIL ||
		parse->havingQual != NULL || parse->distinctClause != NIL)
		return NULL;
	argument = linitial(call->args);
	if (contain_volatile_functions(argument) || contain_subplans(argument))
		return NULL;
	name = get_func_name(call->funcid);
	for (int i = 0; i < lengthof(parts); i++)
	{
		if (name != NULL && strcmp(parts[i].function, name) == 0)
			part = parts[i].part;
	}
	if (part < 0 || !OidIsValid(nurture_schema_oid(true)) ||
		has_row_security("lead") || has_row_security("activity"))
		return NULL;
	mask = nurture_models_mask(&generation);
	if ((mask >> SUBJECT_ACCOUNT_NAME) != 0 && has_row_security("account"))
		return NULL;

	text_of_query = subquery_text(part, mask);
	queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, pg_parse_query(text_of_query)),
												 text_of_query, types, 1, NULL);
	subquery = linitial_node(Query, queries);
	argument = copyObject(argument);
	IncrementVarSublevelsUp(argument, 1, 0);
	subquery = (Query *) replace_parameter((Node *) subquery, argument);

	sublink = makeNode(SubLink);
	sublink->subLinkType = EXPR_SUBLINK;
	sublink->subselect = (Node *) subquery;
	sublink->location = call->location;
	/* still before SS_process_sublinks of this expression */
	parse->hasSubLinks = true;
	depends_on_models(root);
	return (Node *) sublink;
}

/*
 * Leaves to nurture_score_row the facts that published models read, and tells
 * it which: a column that nobody asks for is neither read nor carried through
 * the join, and a join with an account that nobody asks about is dropped.
 */
static Node *
narrowed(SupportRequestSimplify *request)
{
	FuncExpr   *call = request->fcall;
	uint64		mask;
	uint64		generation;
	List	   *args = NIL;
	ListCell   *cell;

	if (request->root == NULL ||
		list_length(call->args) != SCORE_ROW_COLUMNS + 1 ||
		!OidIsValid(nurture_schema_oid(true)))
		return NULL;
	foreach(cell, call->args)
	{
		Node	   *argument = lfirst(cell);
		int			place = foreach_current_index(cell);

		/* a model of the caller's choice may read all; once is enough */
		if ((place == SCORE_ROW_MODEL || place == SCORE_ROW_COLUMNS) &&
			(!IsA(argument, Const) || !((Const *) argument)->constisnull))
			return NULL;
	}
	mask = nurture_models_mask(&generation);
	foreach(cell, call->args)
	{
		Node	   *argument = lfirst(cell);
		int			place = foreach_current_index(cell);
		int			fact = place - SCORE_ROW_FIRST_FACT;

		if (place == SCORE_ROW_COLUMNS)
			argument = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
										  Int64GetDatum((int64) mask), false,
										  FLOAT8PASSBYVAL);
		else if (fact >= 0 && (mask & (UINT64CONST(1) << fact)) == 0)
			argument = (Node *) makeNullConst(exprType(argument), exprTypmod(argument),
											  exprCollation(argument));
		args = lappend(args, argument);
	}
	call = copyObject(call);
	call->args = args;
	depends_on_models(request->root);
	return (Node *) call;
}

/* nurture_score_support(internal) returns internal: planner support function. */
Datum
nurture_score_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	if (list_length(simplify->fcall->args) > 2)
		PG_RETURN_POINTER(narrowed(simplify));
	PG_RETURN_POINTER(inlined(simplify));
}
