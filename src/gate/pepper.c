/*
 * pepper.c
 *	  The secret key of the hashes of contact points.
 *
 * With another key no suppression would be found any more, and nothing would
 * say so.  So the first suppression stores a check value, an HMAC of a fixed
 * text, and a key that does not give it is refused: then no message is
 * decided at all.
 */
#include "base/compat.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "gate/pepper.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#define PEPPER_MIN	32			/* bytes of a pepper file at least */
#define PEPPER_MAX	1024		/* and at most */

static KeptPlan read_secrets =
KEPT_PLAN_SCAN("SELECT name, key FROM nurture.secret"
			   " WHERE name IN ('pepper', 'pepper_check')", 0);

static KeptPlan add_check =
KEPT_PLAN("INSERT INTO nurture.secret (name, key) VALUES ('pepper_check', $1)"
		  " ON CONFLICT DO NOTHING", BYTEAOID);

static KeptPlan read_check =
KEPT_PLAN("SELECT 1 FROM nurture.secret"
		  " WHERE name = 'pepper_check' AND key = $1", BYTEAOID);

static const char *
pepper_file(void)
{
	return nurture_pepper_file ? nurture_pepper_file : "";
}

/* Raises unless only the server's owner can read the file. */
static void
check_file(FILE *file)
{
	struct stat st;

	if (fstat(fileno(file), &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file that nurture.pepper_file names: %m")));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("what nurture.pepper_file names is not a regular file")));
	/* as the server asks of the key file of its certificate */
	if (st.st_uid != geteuid() && st.st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that nurture.pepper_file names must be owned by the database user or root")));
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO))) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO))))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that nurture.pepper_file names has group or world access"),
				 errhint("It should have permissions u=rw (0600) or less if owned by the database user, or u=rw,g=r (0640) or less if owned by root.")));
}

/* Reads the key from the file: all its bytes, a line break at its end too. */
static void
read_file(GateRules *rules)
{
	FILE	   *file = AllocateFile(nurture_pepper_file, PG_BINARY_R);
	uint8	   *pepper = palloc(PEPPER_MAX + 1);
	size_t		len;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file that nurture.pepper_file names: %m"),
				 errhint("Without it no contact point can be compared with those that are suppressed, and no message is decided.")));
	check_file(file);
	len = fread(pepper, 1, PEPPER_MAX + 1, file);
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file that nurture.pepper_file names: %m")));
	FreeFile(file);
	if (len < PEPPER_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that nurture.pepper_file names has less than %d bytes",
						PEPPER_MIN),
				 errhint("Make one with: openssl rand -out FILE 32")));
	if (len > PEPPER_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that nurture.pepper_file names has more than %d bytes",
						PEPPER_MAX)));
	rules->pepper = pepper;
	rules->pepper_len = len;
}

static void
check_value(const GateRules *rules, uint8 *hash)
{
	nurture_gate_hash(rules, "pepper", "check", hash);
}

static void
raise_other_pepper(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("the key of contact point hashes is not the one that the suppressions were made with"),
			 errdetail("With this key no suppressed address would be found, so no message is decided."),
			 errhint("Set nurture.pepper_file to the file that was used before; docs/suppression.md says how to move from a generated key to a file.")));
}

/*
 * Reads the key: the file named in nurture.pepper_file, else the key generated
 * at install.  Raises when suppressions were made with another.
 */
void
nurture_pepper_load(GateRules *rules, Snapshot snapshot)
{
	const uint8 *generated = NULL;
	int			generated_len = 0;
	const uint8 *check = NULL;
	uint8		hash[GATE_HASH_LEN];

	rules->pepper_file = pstrdup(pepper_file());
	(void) nurture_execute_snapshot(&read_secrets, NULL, NULL, snapshot);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;
		bytea	   *key = DatumGetByteaPCopy(nurture_cell(row, 2, &null));

		if (strcmp(nurture_cell_text(row, 1), "pepper") == 0)
		{
			generated = (uint8 *) VARDATA(key);
			generated_len = VARSIZE(key) - VARHDRSZ;
		}
		else
			check = (uint8 *) VARDATA(key);
	}
	if (rules->pepper_file[0] != '\0')
		read_file(rules);
	else if (generated != NULL)
	{
		rules->pepper = generated;
		rules->pepper_len = generated_len;
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("there is no key for the hashes of contact points"),
				 errhint("Set nurture.pepper_file, or put the row \"pepper\" of nurture.secret back.")));
	rules->pepper_checked = check != NULL;
	check_value(rules, hash);
	if (check != NULL && memcmp(check, hash, GATE_HASH_LEN) != 0)
		raise_other_pepper();
}

/* Tells whether rules were loaded with the file that is set now. */
bool
nurture_pepper_is_current(const GateRules *rules)
{
	return strcmp(rules->pepper_file, pepper_file()) == 0;
}

/* Warns, once per session, of a key that is kept in the database. */
void
nurture_pepper_warn(const GateRules *rules)
{
	static bool warned = false;

	if (rules->pepper_file[0] != '\0' || warned)
		return;
	warned = true;
	ereport(WARNING,
			(errmsg("hashes of contact points use a key that is kept in the database"),
			 errhint("For more than trials set nurture.pepper_file; losing that file means losing every suppression.")));
}

/*
 * Stores the check value before the first suppression.  Connected to SPI, as
 * the owner.
 */
void
nurture_pepper_claim(const GateRules *rules)
{
	uint8		hash[GATE_HASH_LEN];
	Datum		value;

	if (rules->pepper_checked)
		return;
	check_value(rules, hash);
	value = nurture_gate_hash_datum(hash);
	(void) nurture_execute(&add_check, &value, NULL, false);
	(void) nurture_execute_latest(&read_check, &value, NULL, false);
	if (SPI_processed == 0)
		raise_other_pepper();
}
