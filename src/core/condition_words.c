/*
 * condition_words.c
 *	  The closed vocabularies, and errors that name the nearest known words.
 */
#include "condition_private.h"

#define NEAREST		3			/* words a hint offers */
#define WORD_BYTES	128			/* longer words are compared by their start */

typedef struct Nearest
{
	const char *word;			/* the word not understood */
	size_t		len;			/* its bytes, at most WORD_BYTES */
	int			n;				/* words found so far, at most NEAREST */
	int			distance[NEAREST];	/* rising */
	size_t		length[NEAREST];	/* bytes of each name */
	char		name[NEAREST][WORD_BYTES];
} Nearest;

/* Ids are places in these lists: add at the end only. */
static const char *const grades[] = {
	"A1", "A2", "A3", "A4", "B1", "B2", "B3", "B4",
	"C1", "C2", "C3", "C4", "D1", "D2", "D3", "D4", NULL
};
static const char *const consent_states[] = {
	"requested", "given", "confirmed", "refused", "withdrawn", "objected",
	"expired", "renewed", "unknown", NULL
};
static const char *const program_kinds[] = {
	"study", "product", "partnership", NULL
};
static const char *const program_fields[] = {
	"therapeutic_area", "phase", "modality", "country", "site_type", NULL
};
static const char *const dimensions[] = {"fit", "intent", "total", NULL};
static const char *const handoff_states[] = {
	"pending", "offered", "accepted", "working", "met", "converted",
	"rejected", "expired", "returned", "open", NULL
};

/* Answers the words of a closed kind, NULL for the others. */
static CondWordList
standard_words(CondNameKind kind)
{
	switch (kind)
	{
		case COND_NAME_GRADE:
			return grades;
		case COND_NAME_CONSENT_STATE:
			return consent_states;
		case COND_NAME_PROGRAM_KIND:
			return program_kinds;
		case COND_NAME_PROGRAM_FIELD:
			return program_fields;
		case COND_NAME_DIMENSION:
			return dimensions;
		case COND_NAME_HANDOFF_STATE:
			return handoff_states;
		default:
			return NULL;
	}
}

/* Answers the place of a word in a list, -1 if it is not there. */
int
nurture_cond_find(CondWordList known, const char *word, size_t len)
{
	for (int i = 0; known[i] != NULL; i++)
	{
		if (strlen(known[i]) == len && memcmp(known[i], word, len) == 0)
			return i;
	}
	return -1;
}

/* Answers the id of a name in a closed vocabulary. */
int
nurture_cond_standard_lookup(CondNameKind kind, const char *name, size_t len)
{
	CondWordList words = standard_words(kind);

	if (words == NULL)
		return COND_LOOKUP_NO_TABLE;
	return nurture_cond_find(words, name, len);
}

/* Visits every name of a closed vocabulary. */
void
nurture_cond_standard_each(CondNameKind kind, CondNameVisit visit, void *arg)
{
	CondWordList words = standard_words(kind);

	for (int i = 0; words != NULL && words[i] != NULL; i++)
		visit(arg, words[i], strlen(words[i]));
}

/* Answers the code of a closed name. */
const char *
nurture_cond_standard_name(CondNameKind kind, int id)
{
	CondWordList words = standard_words(kind);

	for (int i = 0; words != NULL && words[i] != NULL; i++)
	{
		if (i == id)
			return words[i];
	}
	return NULL;
}

/*
 * Fills the error, blaming the value at (NULL: the document); the message is
 * before, the word in quotes if there is one, and after.  Answers false.
 */
bool
nurture_cond_fail(CondCompiler *c, const CoreJson *at, const char *before,
				  const char *word, size_t len, const char *after)
{
	CoreText	out;

	c->error->path[0] = '\0';
	c->error->hint[0] = '\0';
	if (at != NULL)
		nurture_json_path(at, c->error->path, sizeof(c->error->path));
	core_text_start(&out, c->error->message, sizeof(c->error->message));
	core_text_str(&out, before);
	if (word != NULL)
		core_text_quote(&out, word, len);
	core_text_str(&out, after);
	return false;
}

/* Sets the hint of the error; answers false. */
bool
nurture_cond_hint(CondCompiler *c, const char *hint)
{
	CoreText	out;

	core_text_start(&out, c->error->hint, sizeof(c->error->hint));
	core_text_str(&out, hint);
	return false;
}

/* Answers an ASCII letter in lower case, anything else as it is. */
static char
lower(char ch)
{
	return ch >= 'A' && ch <= 'Z' ? (char) (ch - 'A' + 'a') : ch;
}

/*
 * Answers how many letters must be changed, added, dropped or swapped with
 * their neighbour to turn one word into the other, without regard to case
 * (optimal string alignment).
 */
static int
edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
	int			rows[3][WORD_BYTES + 1];

	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = (int) j;
	for (size_t i = 1; i <= na; i++)
	{
		int		   *row = rows[i % 3];
		const int  *above = rows[(i + 2) % 3];
		const int  *before = rows[(i + 1) % 3];

		row[0] = (int) i;
		for (size_t j = 1; j <= nb; j++)
		{
			char		x = lower(a[i - 1]);
			char		y = lower(b[j - 1]);
			int			best = above[j - 1] + (x == y ? 0 : 1);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && x == lower(b[j - 2]) &&
				lower(a[i - 2]) == y && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[na % 3][nb];
}

/*
 * Answers how far a name is from the word not understood: edits, but a name
 * of which one is the beginning of the other is one step away, and one whose
 * prefix ("attributes.", "topic:") was left out one step more than the rest.
 */
static int
distance_to(const Nearest *nearest, const char *name, size_t len)
{
	size_t		shorter = len < nearest->len ? len : nearest->len;
	size_t		tail = len;
	int			distance = edit_distance(nearest->word, nearest->len, name, len);
	int			rest;

	if (distance > 1 && shorter >= 3 &&
		memcmp(nearest->word, name, shorter) == 0)
		return 1;
	while (tail > 0 && name[tail - 1] != '.' && name[tail - 1] != ':')
		tail--;
	if (tail == 0 || tail == len)
		return distance;
	rest = edit_distance(nearest->word, nearest->len, name + tail, len - tail);
	return rest + 1 < distance ? rest + 1 : distance;
}

/* Answers whether name stands before what is kept in this place. */
static bool
is_nearer(const Nearest *nearest, int place, int distance, const char *name,
		  size_t len)
{
	size_t		kept = nearest->length[place];
	int			order;

	if (distance != nearest->distance[place])
		return distance < nearest->distance[place];

	/* equally near ones by their letters, not by the order of a hash table */
	order = memcmp(name, nearest->name[place], len < kept ? len : kept);
	return order != 0 ? order < 0 : len < kept;
}

/* Keeps a name if it is among the nearest so far. */
static void
consider(void *arg, const char *name, size_t len)
{
	Nearest    *nearest = arg;
	int			distance;
	int			place = nearest->n;

	if (len == 0 || len > WORD_BYTES)
		return;
	distance = distance_to(nearest, name, len);
	while (place > 0 && is_nearer(nearest, place - 1, distance, name, len))
		place--;
	if (place == NEAREST)
		return;
	if (nearest->n < NEAREST)
		nearest->n++;
	for (int i = nearest->n - 1; i > place; i--)
	{
		nearest->distance[i] = nearest->distance[i - 1];
		nearest->length[i] = nearest->length[i - 1];
		memcpy(nearest->name[i], nearest->name[i - 1], WORD_BYTES);
	}
	nearest->distance[place] = distance;
	nearest->length[place] = len;
	memcpy(nearest->name[place], name, len);
}

/* Writes the nearest words into the hint; answers false. */
static bool
hint_nearest(CondCompiler *c, const Nearest *nearest)
{
	CoreText	out;

	core_text_start(&out, c->error->hint, sizeof(c->error->hint));
	if (nearest->n == 0)
		return false;
	core_text_str(&out, nearest->n == 1 ? "The nearest known is " :
				  "The nearest known are ");
	for (int i = 0; i < nearest->n; i++)
	{
		if (i > 0)
			core_text_str(&out, i == nearest->n - 1 ? " and " : ", ");
		core_text_quote(&out, nearest->name[i], nearest->length[i]);
	}
	core_text_str(&out, ".");
	return false;
}

/* Starts a search for what is near this word. */
static void
start_nearest(Nearest *nearest, const char *word, size_t len)
{
	memset(nearest, 0, sizeof(*nearest));
	nearest->word = word;
	nearest->len = len < WORD_BYTES ? len : WORD_BYTES;
}

/* Hints at the nearest words of a list; answers false. */
bool
nurture_cond_hint_list(CondCompiler *c, const char *word, size_t len,
					   CondWordList known)
{
	Nearest		nearest;

	start_nearest(&nearest, word, len);
	for (int i = 0; known[i] != NULL; i++)
		consider(&nearest, known[i], strlen(known[i]));
	return hint_nearest(c, &nearest);
}

/* Hints at the nearest names of a kind; answers false. */
bool
nurture_cond_hint_names(CondCompiler *c, const char *word, size_t len,
						CondNameKind kind)
{
	Nearest		nearest;

	start_nearest(&nearest, word, len);
	if (c->vocabulary->each != NULL)
		c->vocabulary->each(c->vocabulary->ctx, kind, consider, &nearest);
	return hint_nearest(c, &nearest);
}
