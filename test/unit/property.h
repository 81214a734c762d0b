/*
 * property.h
 *	  What the property tests of the scoring core share: counting checks and
 *	  random numbers whose seed is printed and can be given as NURTURE_SEED.
 */
#ifndef NURTURE_TEST_PROPERTY_H
#define NURTURE_TEST_PROPERTY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t property_passed;
static uint64_t property_failed;
static uint64_t property_state;

static inline void
property_check(bool ok, const char *what, int line)
{
	if (ok)
		property_passed++;
	else if (property_failed++ < 20)
		printf("not ok - line %d: %s\n", line, what);
}

#define CHECK(cond)	property_check((cond), #cond, __LINE__)

static inline void
property_start(void)
{
	const char *given = getenv("NURTURE_SEED");

	property_state = given ? strtoull(given, NULL, 10) : 20261122;
	printf("seed %llu\n", (unsigned long long) property_state);
	property_state = property_state * 2 + 1;
}

static inline uint64_t
random_bits(void)
{
	property_state ^= property_state << 13;
	property_state ^= property_state >> 7;
	property_state ^= property_state << 17;
	return property_state * UINT64_C(0x2545F4914F6CDD1D);
}

static inline uint32_t
random_below(uint32_t n)
{
	return (uint32_t) ((random_bits() >> 32) % n);
}

static inline int
property_finish(void)
{
	printf("%llu passed, %llu failed\n",
		   (unsigned long long) property_passed,
		   (unsigned long long) property_failed);
	return property_failed != 0;
}

#endif							/* NURTURE_TEST_PROPERTY_H */
