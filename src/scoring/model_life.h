/*
 * model_life.h
 *	  The life of a model version: draft, check, publish.
 */
#ifndef NURTURE_MODEL_LIFE_H
#define NURTURE_MODEL_LIFE_H

#include "base/compat.h"

/* Whether nurture_publish is at work, so that the guards let it. */
extern bool nurture_model_life_working(void);

#endif							/* NURTURE_MODEL_LIFE_H */
