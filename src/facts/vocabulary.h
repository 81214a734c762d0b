/*
 * vocabulary.h
 *	  Codes of the configuration: signals, tags, event types, stages, and
 *	  conditions compiled against them.
 */
#ifndef NURTURE_VOCABULARY_H
#define NURTURE_VOCABULARY_H

#include "base/compat.h"
#include "core/condition.h"

extern void nurture_vocabulary_init(void);

/* Codes and numbers; a number or code that is not known gives -1 or NULL. */
extern int	nurture_signal_id(const char *code, size_t len);
extern const char *nurture_signal_code(int signal_id);
extern const char *nurture_signal_title(int signal_id);
extern int	nurture_tag_id(const char *tag, size_t len);	/* "dimension:value" */
extern const char *nurture_tag_text(int tag_id);	/* "dimension:value" */
extern int	nurture_tag_parent(int tag_id); /* -1: has none */
extern bool nurture_tag_under(int tag_id, int ancestor_id); /* itself or below */
extern bool nurture_tag_sensitive(int tag_id);
extern int	nurture_list_id(const char *list, size_t len);	/* of a list of leads */
extern const char *nurture_event_class(const char *event_type, size_t len);
extern bool nurture_country_known(const char *country); /* ISO 3166-1 alpha-2 */
extern int	nurture_stage_no(const char *audience_type, const char *stage);

/* Raises NU003, naming the three nearest known codes. */
extern void nurture_unknown_code(CondNameKind kind, const char *what,
								 const char *code) pg_attribute_noreturn();
extern void nurture_unknown_event_type(const char *code) pg_attribute_noreturn();

/* Returns "a", "b" or "c": up to three known event types near this one. */
extern char *nurture_nearest_event_types(const char *code);

/* The same of a list of names. */
extern char *nurture_nearest_names(const char *code, const char *const *names,
								   int n);

/*
 * Compiles a condition in the current memory context, which must live as long
 * as the result.  An error (NU005) names what owns it, such as
 * stop rule "opted_out", the path inside the document and the nearest words.
 */
extern Condition *nurture_condition_compile(const char *json,
											const char *owner);
extern Condition *nurture_condition_compile_fact(const char *fact,
												 const char *op,
												 const char *operand_json,
												 const char *owner);

/* What is wrong with a condition, in words; NULL when it can be compiled. */
extern char *nurture_condition_fault(const char *json);
extern char *nurture_condition_fact_fault(const char *fact, const char *op,
										  const char *operand_json);

/*
 * Whether no lead can make a condition true, or, with n > 0, none of these
 * audience types.
 */
extern bool nurture_condition_never(const Condition *condition,
									const char *const *audience_types, int n);

/* Raises NU005 when a condition that is being written cannot be meant. */
extern void nurture_condition_accept(const char *json, const char *owner);

/* Returns the condition as part of an English sentence. */
extern char *nurture_condition_text(const Condition *condition);
extern char *nurture_condition_term_text(const CondTerm *term);

#endif							/* NURTURE_VOCABULARY_H */
