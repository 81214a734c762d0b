/*
 * compat.h
 *	  Every difference between PostgreSQL 15, 16, 17 and 18 that nurture meets.
 *
 * Nothing else in the tree asks for PG_VERSION_NUM.
 */
#ifndef NURTURE_COMPAT_H
#define NURTURE_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "nurture needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * The fmgr macros declare functions with default visibility from 16 on; with
 * -fvisibility=hidden 15 needs it said for the module magic and each function.
 */
#if PG_VERSION_NUM < 160000
#define NURTURE_EXPORT __attribute__((visibility("default")))
#else
#define NURTURE_EXPORT
#endif

/* Declares and registers one SQL-callable function. */
#define NURTURE_FUNCTION(name) \
	extern NURTURE_EXPORT Datum name(PG_FUNCTION_ARGS); \
	extern NURTURE_EXPORT const Pg_finfo_record *CppConcat(pg_finfo_, name)(void); \
	PG_FUNCTION_INFO_V1(name)

/* 18 has pg_noreturn, which stands before the declaration. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* The server's own macro went in 16. */
#ifndef Abs
#define Abs(x) ((x) >= 0 ? (x) : -(x))
#endif

/* What a check hook keeps: malloc's until 15, the settings' own from 16 on. */
#if PG_VERSION_NUM >= 160000
#define nurture_guc_malloc(size) guc_malloc(LOG, size)
#else
#define nurture_guc_malloc(size) malloc(size)
#endif

/* One function for all kinds of objects from 16 on. */
#if PG_VERSION_NUM >= 160000
#define nurture_database_aclcheck(database, role, mode) \
	object_aclcheck(DatabaseRelationId, database, role, mode)
#else
#define nurture_database_aclcheck(database, role, mode) \
	pg_database_aclcheck(database, role, mode)
#endif

#if PG_VERSION_NUM >= 160000
#define nurture_namespace_aclcheck(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, schema, role, mode)
#else
#define nurture_namespace_aclcheck(schema, role, mode) \
	pg_namespace_aclcheck(schema, role, mode)
#endif

/* DecodeDateTime tells more about an error from 16 on; nobody here asks. */
#if PG_VERSION_NUM >= 160000
#define nurture_decode_datetime(field, ftype, nf, dtype, tm, fsec, tzp) \
	DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp, \
				   &(DateTimeErrorExtra) {0})
#else
#define nurture_decode_datetime(field, ftype, nf, dtype, tm, fsec, tzp) \
	DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp)
#endif

/* What writing a row by hand (row.c) calls has changed in every version. */
#if PG_VERSION_NUM >= 180000
#define nurture_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#define nurture_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, NULL, nkeys, 0)
#define nurture_check_index_constraints(info, slot, estate, conflict) \
	ExecCheckIndexConstraints(info, slot, estate, conflict, \
							  &(slot)->tts_tid, NIL)
#else
#define nurture_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#define nurture_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, nkeys, 0)
#define nurture_check_index_constraints(info, slot, estate, conflict) \
	ExecCheckIndexConstraints(info, slot, estate, conflict, NIL)
#endif
#if PG_VERSION_NUM >= 160000
#define NurtureUpdateIndexes TU_UpdateIndexes
#define nurture_insert_index_tuples(info, slot, estate, update, quiet, conflict) \
	ExecInsertIndexTuples(info, slot, estate, (update) != TU_None, quiet, \
						  conflict, NIL, (update) == TU_Summarizing)
#else
#define NurtureUpdateIndexes bool
#define nurture_insert_index_tuples(info, slot, estate, update, quiet, conflict) \
	ExecInsertIndexTuples(info, slot, estate, update, quiet, conflict, NIL)
#endif

#endif							/* NURTURE_COMPAT_H */
