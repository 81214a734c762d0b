/*
 * access.h
 *	  Private to the access room: which profile may do what with which object.
 */
#ifndef NURTURE_ACCESS_H
#define NURTURE_ACCESS_H

#include "base/compat.h"

typedef enum Profile
{
	PROFILE_ADMIN,
	PROFILE_MARKETING,
	PROFILE_SALES,
	PROFILE_MEDICAL,
	PROFILE_CLINICAL,
	PROFILE_COMPLIANCE,
	PROFILE_DATA_STEWARD,
	PROFILE_ANALYST,
	PROFILE_SENDER,
	PROFILE_AUDITOR,
	PROFILES
} Profile;

/*
 * What each profile may do with a table of schema nurture: r reads it, c reads
 * its columns but the private ones, a adds, w changes, d deletes rows; "" is
 * nothing.  A table that nobody has is written "" for all.
 */
typedef struct TableRights
{
	const char *name;
	const char *cells[PROFILES];
} TableRights;

/* A view of nurture_bi, or all functions of a name; x marks who may use it. */
typedef struct NameRights
{
	const char *name;
	char		marks[PROFILES + 1];
} NameRights;

/* Columns that only those read whom a table is given whole. */
typedef struct PrivateColumns
{
	const char *table;
	const char *columns[4];		/* end at the first NULL */
} PrivateColumns;

extern const char *const nurture_profiles[PROFILES];
extern const TableRights nurture_table_rights[];	/* end with name NULL */
extern const NameRights nurture_view_rights[];
extern const NameRights nurture_function_rights[];
extern const PrivateColumns nurture_private_columns[];

/* Leads of others are hidden from the roles of these profiles. */
extern bool nurture_profile_restricted(Profile profile);
extern bool nurture_column_private(const char *table, const char *column);

/* grant.c: brings rights and policies in line; connected to SPI as the owner. */
extern void nurture_access_apply(const char *role, uint32 profiles,
								 Oid grantor);

/* rows.c */
extern void nurture_rows_apply(void);

#endif							/* NURTURE_ACCESS_H */
