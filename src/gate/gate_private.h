/*
 * gate_private.h
 *	  Private to the gate room: what a decision is made from, and its outcome.
 */
#ifndef NURTURE_GATE_PRIVATE_H
#define NURTURE_GATE_PRIVATE_H

#include "base/compat.h"
#include "base/hold.h"
#include "base/plans.h"
#include "core/condition.h"
#include "datatype/timestamp.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#define GATE_HASH_LEN			32
#define GATE_MAX_MERGES			32	/* leads merged into one another */
#define GATE_MAX_RULES			64	/* rules asked about one message */

/* Message classes as bits. */
#define CLASS_PROMOTIONAL		0x01
#define CLASS_DISEASE_AWARENESS 0x02
#define CLASS_MEDICAL			0x04
#define CLASS_PATIENT_SUPPORT	0x08
#define CLASS_OPERATIONAL		0x10
#define CLASS_MARKETING			(CLASS_PROMOTIONAL | CLASS_DISEASE_AWARENESS)
#define CLASS_ALL				0x1F

/* What a row of nurture.consent_policy asks for. */
typedef enum ConsentRule
{
	CONSENT_OPT_IN,
	CONSENT_DOUBLE_OPT_IN,
	CONSENT_SOFT_OPT_IN,
	CONSENT_IMPLIED,
	CONSENT_OPT_OUT,
	CONSENT_PROHIBITED
} ConsentRule;

typedef struct GatePolicy
{
	const char *country;		/* "*" = every */
	const char *audience_type;	/* likewise */
	const char *channel;		/* likewise */
	int			classes;		/* bits */
	int			names;			/* bits: what the row names and not "*" */
	ConsentRule rule;
	bool		unclear_review; /* else refuse */
	int			implied_months; /* calendar months that implied consent lasts;
								 * 0 = no limit */
	int			inquiry_months; /* likewise where it rests on an inquiry; 0 =
								 * as implied_months */
	int			valid_months;	/* likewise of any consent */
	bool		verified_audience;
	const char *name;			/* country/audience/channel/class: rule */
} GatePolicy;

/* The policies that may apply to leads of one country. */
typedef struct GatePolicies
{
	const char *country;		/* "*" = of every country without its own */
	int			n;
	const GatePolicy **policies;	/* what names more comes first */
} GatePolicies;

typedef struct GateCap
{
	const char *cap;			/* code */
	const char *rule;			/* "cap:" and the code */
	bool		any_channel;
	int			nchannels;
	const char **channels;
	int			classes;		/* bits */
	const char *purpose;		/* NULL = any */
	const char *track;			/* NULL = any */
	int			n;
	int64		length;			/* of the period in microseconds; a day has 24
								 * hours, a month 30 days */
	const char *period_text;
	const char *clock;			/* NULL = rolling */
	int			days;			/* of the wall: 1 or 7; 0 = rolling */
	bool		company;		/* by the company's clock, else the lead's */
	bool		same_family;
	bool		preference;		/* the lead's own */
} GateCap;

#define NORMAL_PACE	100			/* hundredths */
#define PREFERENCE_PERIOD	(30 * USECS_PER_DAY)	/* of max_per_month */

typedef struct GateStage
{
	const char *audience_type;	/* "*" = every */
	const char *stage;
	int			classes;		/* bits */
} GateStage;

typedef struct GateReason
{
	const char *reason;
	const char *text;
	const char *remedy;			/* NULL = none */
} GateReason;

/* What content must carry; a row of nurture.content_policy. */
typedef struct GateContentPolicy
{
	const char *market;			/* "*" = every */
	int			classes;		/* bits */
	const char *audience_type;	/* "*" = every */
	const char *safety_block;	/* NULL = none */
	const char *disclaimer;		/* likewise */
	bool		unsubscribe;
	const char *name;			/* market/class/audience */
} GateContentPolicy;

typedef struct ContactPolicy ContactPolicy;

/* The rules of the gate, compiled. */
typedef struct GateRules
{
	int			ncountries;
	GatePolicies *countries;	/* by country, "*" first */
	int			nchannels;
	const char *(*channels)[2]; /* a channel, and under which its consent is
								 * kept, where these differ */
	int			ncaps;
	GateCap    *caps;
	int64		longest;		/* of all caps */
	int64		longest_paced;	/* of those that slowing down stretches */
	int			nstages;
	GateStage  *stages;
	int			nreasons;
	GateReason *reasons;
	int			ncontent;
	GateContentPolicy *content;
	ContactPolicy *contact;		/* see contact_policy.h */
	const uint8 *pepper;
	int			pepper_len;
	const char *pepper_file;	/* that it was read from, "" = generated */
	bool		pepper_checked; /* is the one that suppressions were made with */
} GateRules;

/* Kinds of consent events, and the states that follow. */
typedef enum ConsentState
{
	CONSENT_NONE,
	CONSENT_REQUESTED,
	CONSENT_GIVEN,
	CONSENT_CONFIRMED,
	CONSENT_RENEWED,
	CONSENT_REFUSED,
	CONSENT_WITHDRAWN,
	CONSENT_OBJECTED,
	CONSENT_EXPIRED,
	CONSENT_ENTERED_IN_ERROR
} ConsentState;

/* What a grant rests on. */
typedef enum ConsentBasis
{
	BASIS_CONSENT,				/* the lead said yes */
	BASIS_SOFT,					/* a customer who was told and may refuse */
	BASIS_IMPLIED,				/* a relation with the lead, for a time */
	BASIS_INQUIRY,				/* the lead asked something, likewise */
	BASIS_OTHER					/* none of these: no consent */
} ConsentBasis;

/* A row of nurture.consent. */
typedef struct GateConsent
{
	const char *channel;
	const char *purpose;
	const char *topic;
	const char *product;
	ConsentState state;
	TimestampTz since;
	TimestampTz expires_at;		/* DT_NOEND = never */
	const char *legal_basis;	/* NULL = consent */
	bool		bound;			/* confirmed for these addresses only: */
	int			nconfirmed;
	uint8	   *confirmed;		/* their hashes, one after the other */
} GateConsent;

/* What a lead wants to hear about, and how; NULL = it did not say. */
typedef struct GateWish
{
	const char *channel;		/* "*" = all */
	ArrayType  *topics;
	const char *format;
	const char *language;
} GateWish;

/* What a lead did that it is left in peace after. */
typedef struct GateRest
{
	int			row;			/* of the rows of nurture.rest_period */
	TimestampTz at;				/* when it did so last */
} GateRest;

/* A message that is there and may count. */
typedef struct GateLive
{
	const char *channel;
	int			class;			/* bit */
	const char *purpose;
	const char *family;
	const char *track;
	const char *occurrence_key;
	uint32		occurrence_hash;
	bool		counts;			/* for caps: queued, taken, sent, delivered */
	bool		waits;			/* queued or held, to go out at: */
	TimestampTz at;				/* when it goes out */
} GateLive;

/* The messages of a lead that a cap counts, as far as they were looked at. */
typedef struct GateCounted
{
	int			seen;			/* of lead->live */
	int			ntimes;
	int			maxtimes;
	int64	   *times;			/* contact_instant, ascending */
} GateCounted;

/* The same of all caps, those of the rules before those of the lead. */
typedef struct GateCapped
{
	uint64		epoch;			/* nurture_rules_epoch of the caps */
	int			n;
	GateCounted *counted;		/* NULL = none was asked for yet */
} GateCapped;

typedef struct GateSuppression
{
	const char *scope;
	const char *reason;
	TimestampTz until;
} GateSuppression;

/* A lead as the gate sees it, read after its gate row was updated. */
typedef struct GateLead
{
	MemoryContext context;		/* where everything below is kept */
	Hold	   *hold;			/* of the statement; NULL = none */
	int64		lead_id;		/* the survivor */
	int64		asked;			/* the lead asked for */
	bool		found;
	int64		seq;			/* of the gate row */
	bool		suppressed;		/* as the gate row says */
	bool		prefers;		/* likewise: it said what it wants */
	bool		absorbs;		/* likewise: others were merged into it: */
	int			nabsorbed;
	int64	   *absorbed;		/* these, and what was merged into them */
	bool		erased;
	bool		has_subject;	/* the gate row has the lead's pseudonym: */
	uint8		subject[GATE_HASH_LEN];
	TimestampTz stopped_until;	/* DT_NOBEGIN = not */
	TimestampTz paused_until;	/* DT_NOBEGIN = not */
	const char *email;			/* contact points and facts: NULL = unknown */
	const char *phone;
	const char *country;
	const char *audience_type;
	const char *language;
	const char *time_zone;
	const char *stage;			/* "new" when it has no row */
	TimestampTz verified_at;	/* DT_NOBEGIN = not */
	bool		has_account;
	int64		account_id;
	int			nconsents;
	GateConsent *consents;
	int			nstops;
	struct GateStop *stops;		/* in force; see stop.h */
	int			npreferences;
	GateCap    *preferences;
	int			nwishes;
	GateWish   *wishes;
	int32		slowest;		/* hundredths; what slows the lead down most,
								 * 100 = nothing */
	int			nrests;
	GateRest   *rests;
	int			nlive;
	int			maxlive;
	GateLive   *live;
	int			nadded;			/* of live: not read but added since */
	GateCapped *capped;			/* what caps count of them */
} GateLead;

/* A claim that an asset version makes, in force. */
typedef struct GateClaim
{
	const char *claim;
	ArrayType  *markets;
	ArrayType  *audience_types;
} GateClaim;

/* An asset version as the gate sees it. */
typedef struct GateAsset
{
	bool		found;
	bool		in_force;		/* approved; dates apart */
	bool		blocks;			/* what it is made with is in force */
	const char *asset_id;
	int32		version;
	const char *status;
	int			class;			/* bit */
	const char *class_name;
	const char *family;
	const char *purpose;
	const char *missing_block;	/* asset of a block without a version in force */
	ArrayType  *made_with;		/* its own blocks, NULL = none */
	bool		unsubscribe;	/* one of them is in slot unsubscribe */
	bool		claims_in_force;	/* its own and those of its blocks */
	const char *missing_claim;	/* one without a version in force */
	int			nclaims;
	const GateClaim *claims;
	const char *parts;			/* JSON of blocks and claims with versions and
								 * hashes, without braces; NULL = none */
	ArrayType  *channels;
	ArrayType  *languages;
	ArrayType  *markets;
	ArrayType  *audience_types;
	ArrayType  *topics;			/* tags of dimension topic, NULL = none */
	ArrayType  *products;		/* likewise product */
	ArrayType  *formats;		/* its own, and tags of dimension format */
	TimestampTz valid_from;		/* DT_NOBEGIN = ever */
	TimestampTz valid_until;	/* DT_NOEND = ever; excluded */
	bool		from_excluded;
	bool		until_included;
	const char *content_hash;	/* hex, NULL = none */
} GateAsset;

/* What is to be sent. */
typedef struct GateAsk
{
	const char *channel;
	const char *purpose;		/* NULL = the asset's */
	const char *track;			/* NULL = none */
	const char *occurrence_key; /* NULL = none */
	TimestampTz not_before;		/* DT_NOBEGIN = at once */
	TimestampTz now;
	bool		no_asset;		/* asks about lead and channel alone */
	bool		remedies;		/* tell those, too */
	bool		ruled;			/* a person allowed what a person may */
	bool		contact_needed; /* the channel goes to an address: */
	bool		contact_email;	/* of e-mail, else a number */
	bool		contact_known;	/* the lead has one */
	const char *contact_fault;	/* why nothing may go there, NULL = it may */
	const uint8 *contact_hash;	/* of the address, NULL = none */
	int			address_kinds;	/* bits: it is of a role, disposable */
	int			nsuppressions;
	const GateSuppression *suppressions;
} GateAsk;

/* The answer of one rule. */
typedef struct GateFinding
{
	const char *rule;
	const char *reason;			/* code, of a rule that failed or defers */
	GateVerdict verdict;		/* GATE_ALLOW = passed */
	const char *fact;
	const char *version;		/* of the rule: row of policy, cap, ... */
	TimestampTz passes_from;	/* DT_NOBEGIN = not known */
	const char *remedy;			/* NULL = the reason's */
} GateFinding;

typedef struct GateDecision
{
	bool		ruled;			/* as in GateAsk */
	GateVerdict verdict;
	TimestampTz not_before;
	const char *purpose;		/* that consent was asked for */
	const char *parts;			/* of the asset, as in GateAsset */
	const char *review_scope;	/* of a review */
	bool		particular;		/* the lead said what it wants */
	int			nfindings;
	GateFinding findings[GATE_MAX_RULES];
} GateDecision;

/* rules.c */
extern void nurture_require_channel(const char *channel);
extern void nurture_gate_rules_init(void);
extern const GateRules *nurture_gate_rules(void);
extern const GatePolicies *nurture_gate_policies(const GateRules *rules,
												 const char *country);
extern const char *nurture_gate_consent_channel(const GateRules *rules,
												const char *channel);
extern const GateReason *nurture_gate_reason(const GateRules *rules,
											 const char *reason);
extern int	nurture_gate_class(const char *message_class);
extern const char *nurture_gate_class_name(int bit);
extern bool nurture_gate_listed(ArrayType *list, const char *item);

/* address.c */
extern void nurture_gate_hash(const GateRules *rules, const char *scope,
							  const char *value, uint8 *hash);
extern Datum nurture_gate_hash_datum(const uint8 *hash);

/* gate_row.c */
extern uint64 nurture_gate_epoch;	/* grows with whatever this backend does
									 * to a gate row */
extern bool nurture_gate_update(int64 lead_id, int64 reserve, bool subject,
								Hold *hold, GateLead *lead);
extern void nurture_gate_lock(int64 lead_id);
extern void nurture_gate_make(int64 lead_id);
extern int64 nurture_gate_survivor(int64 lead_id);

/* gate_known.c */
extern void nurture_gate_known(const int64 *leads, int n);

/* state.c */
extern void nurture_gate_read(GateLead *lead, const GateRules *rules,
							  bool bump, TimestampTz now);
extern void nurture_gate_read_live(GateLead *lead, const GateRules *rules,
								   TimestampTz now);
extern uint32 nurture_gate_text_hash(const char *text);
extern void nurture_gate_count_again(GateLead *lead);
extern void nurture_gate_add_live(GateLead *lead, const GateLive *live);

/* contact_point.c */
extern void nurture_gate_suppressions(const GateLead *lead,
									  const GateRules *rules, GateAsk *ask);

/* asset.c */
extern void nurture_gate_asset_init(void);
extern void nurture_gate_asset(const char *asset_id, int32 version, bool lock,
							   TimestampTz now, GateAsset *asset);

/* decide.c */
extern void nurture_gate_decide(const GateRules *rules, const GateLead *lead,
								const GateAsset *asset, const GateAsk *ask,
								GateDecision *decision);

/* decide_consent.c */
extern bool nurture_gate_denies(const GateRules *rules,
								const GateConsent *consent,
								const char *channel, const char *purpose,
								ArrayType *topics, ArrayType *products);

/* decision.c */
extern ArrayType *nurture_gate_reasons(const GateDecision *decision);
extern char *nurture_gate_decision_json(const GateDecision *decision,
										const GateLead *lead, int *passed);
extern Datum nurture_gate_decision_short(const GateDecision *decision,
										 const GateLead *lead);

/* message_record.c */
extern void nurture_gate_open_review(Datum lead_id, Datum scope,
									 Datum message_id);

/* message_guard.c */
extern int	nurture_message_open(void);
extern void nurture_message_close(int before);

/* cancel.c */
typedef struct CancelScope
{
	int64		lead_id;
	int			classes;		/* bits; messages of these */
	const char *channel;		/* "*" = all */
	ArrayType  *channels;		/* NULL = as channel says */
	ArrayType  *purposes;		/* NULL = all */
	ArrayType  *products;		/* NULL = all */
	ArrayType  *tracks;			/* NULL = all, and messages of none */
	const char *but_track;		/* not messages of this one; NULL = none */
	const char *purpose;		/* also those of this purpose; NULL = none,
								 * "*" = all */
	const char *topic;			/* "*" = all */
	const char *product;		/* "*" = all */
	bool		taken_only;		/* nothing that is queued or held */
	const char *reason;			/* code */
	const char *cause;			/* of the audit entry, NULL = the reason */
} CancelScope;

extern int64 nurture_cancelled_messages;	/* by this backend so far */
extern uint64 nurture_gate_asset_epoch; /* grows when this backend takes an
										 * asset out of use */
extern int64 nurture_gate_cancel(const CancelScope *scope);
extern int64 nurture_gate_would_cancel(const CancelScope *scope);

/* consent_state.c */
extern ConsentState nurture_consent_state(const char *kind);
extern const char *nurture_consent_state_name(ConsentState state);
extern bool nurture_consent_permits(ConsentState state);
extern bool nurture_consent_forbids(ConsentState state);
extern ConsentBasis nurture_consent_basis(const char *legal_basis);

/* confirmed.c */
extern Datum nurture_confirmed_hashes(Datum *hashes, int n);
extern void nurture_confirmed_read(GateConsent *consent, Datum value);

/* Tells whether the confirmation is about the address of a hash, NULL = none. */
extern bool nurture_confirmed_for(const GateConsent *consent,
								  const uint8 *hash);

/* alert.c */
extern void nurture_gate_alert(int64 lead_id, int64 message_id,
							   const char *what);

/* unsubscribe.c */
extern char *nurture_gate_unsubscribe_token(int64 lead_id, int64 message_id,
											const char *channel,
											const char *purpose,
											const char *topic,
											const char *product);

/* consent.c */
extern void nurture_consent_init(void);
extern void nurture_consent_inherit(int64 lead_id, int64 survivor);

/* preference.c */
extern void nurture_preference_read(GateLead *lead);
extern void nurture_preference_inherit(int64 lead_id, int64 survivor);

/* form_answer.c */
extern void nurture_form_answer_init(void);

/* suppress.c */
extern void nurture_suppress_inherit(int64 lead_id, int64 survivor);

/* stop.c */
extern void nurture_stop_inherit(int64 lead_id, int64 survivor);
extern void nurture_stop_refresh(int64 lead_id);
extern void nurture_stop_new_address(int64 lead_id, bool email, bool phone);
extern void nurture_stop_read(GateLead *lead, TimestampTz now);

/* stop_scope.c */
extern int32 nurture_gate_pace(const GateLead *lead, int class,
							   const char *channel, const char *purpose,
							   const char *track, ArrayType *products,
							   TimestampTz now);

#endif							/* NURTURE_GATE_PRIVATE_H */
