/*
 * nurture.c
 *	  Module magic and _PG_init, which calls each room's init and nothing else.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/owner.h"
#include "base/read.h"
#include "base/rulecache.h"
#include "base/settings.h"
#include "content/content.h"
#include "control/control.h"
#include "facts/attribute.h"
#include "facts/fact_map.h"
#include "facts/history.h"
#include "facts/mark.h"
#include "facts/program.h"
#include "facts/subject_quality.h"
#include "facts/vocabulary.h"
#include "fmgr.h"
#include "gate/gate.h"
#include "privacy/privacy.h"
#include "routing/routing.h"
#include "scoring/account.h"
#include "scoring/activity.h"
#include "scoring/event_row.h"
#include "scoring/model.h"
#include "scoring/moment.h"
#include "scoring/sensitive.h"
#include "scoring/signal_match.h"
#include "tracks/tracks.h"

extern NURTURE_EXPORT const Pg_magic_struct *PG_MAGIC_FUNCTION_NAME(void);

PG_MODULE_MAGIC;

extern NURTURE_EXPORT void _PG_init(void);

void
_PG_init(void)
{
	nurture_settings_init();
	nurture_owner_init();
	nurture_rulecache_init();
	nurture_read_init();
	nurture_vocabulary_init();
	nurture_program_init();
	nurture_subject_quality_init();
	nurture_mark_init();
	nurture_history_init();
	nurture_attribute_init();
	nurture_fact_map_init();
	nurture_form_init();
	nurture_scoring_init();
	nurture_account_init();
	nurture_signal_match_init();
	nurture_event_annotate_init();
	nurture_routing_init();
	nurture_audit_init();
	nurture_gate_init();
	nurture_content_init();
	nurture_tracks_init();
	nurture_alert_init();
	nurture_control_init();
	nurture_sensitive_init();
	nurture_roll_init();
	nurture_score_sweep_init();
	nurture_privacy_init();
}
