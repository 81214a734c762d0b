/*
 * gate.c
 *	  Brings the gate room up in a backend.
 */
#include "base/compat.h"

#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "gate/stop.h"

/* Registers caches and reactors. */
void
nurture_gate_init(void)
{
	nurture_gate_rules_init();
	nurture_gate_asset_init();
	nurture_contact_init();
	nurture_stop_rules_init();
	nurture_bounce_init();
	nurture_consent_init();
	nurture_stop_react_init();
	nurture_form_answer_init();
}
