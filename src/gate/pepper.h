/*
 * pepper.h
 *	  Private to the gate room: the key of the hashes of contact points.
 */
#ifndef NURTURE_PEPPER_H
#define NURTURE_PEPPER_H

#include "gate/gate_private.h"
#include "utils/snapshot.h"

extern void nurture_pepper_load(GateRules *rules, Snapshot snapshot);
extern bool nurture_pepper_is_current(const GateRules *rules);
extern void nurture_pepper_warn(const GateRules *rules);
extern void nurture_pepper_claim(const GateRules *rules);

#endif							/* NURTURE_PEPPER_H */
