/*
 * main.c
 *	  nurture-verify [--digest FILE]... [FILE]...
 *
 * Reads exports of an audit trail, and proofs, from the files or from standard
 * input; prints one line per finding: class, block, audit_id and what is
 * wrong, parted by tabs.  Exits with 0 when there is none, 1 when there are
 * some, 2 when something cannot be read.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "verify.h"

static const char usage[] =
"Usage: nurture-verify [--digest FILE]... [FILE]...\n"
"Checks an exported audit trail of nurture (tools/verify/export.sql) and its\n"
"proofs, from files or standard input. --digest names a file of digests that\n"
"were kept elsewhere. One line per finding: class, block, audit_id, detail.\n"
"Exit status: 0 nothing found, 1 something found, 2 something unreadable.\n";

/* Ends the program because something cannot be read. */
void
fail(const char *what, const char *where, long line)
{
	fflush(stdout);
	if (where != NULL && line > 0)
		fprintf(stderr, "nurture-verify: %s, line %ld: %s\n", where, line, what);
	else if (where != NULL)
		fprintf(stderr, "nurture-verify: %s %s\n", where, what);
	else
		fprintf(stderr, "nurture-verify: %s\n", what);
	exit(2);
}

/* Makes room for one more item and clears it. */
void	   *
grow(void *items, size_t *room, size_t n, size_t size)
{
	if (n >= *room)
	{
		*room = *room > 0 ? *room * 2 : 64;
		items = realloc(items, *room * size);
		if (items == NULL)
			fail("out of memory", NULL, 0);
	}
	memset((char *) items + n * size, 0, size);
	return items;
}

/* Notes a finding. */
void
note(Log * log, const char *class, int64_t block, int64_t audit_id,
	 const char *detail)
{
	Finding    *finding = &ADD(log->findings);

	finding->class = class;
	finding->block = block;
	finding->audit_id = audit_id;
	finding->detail = detail;
}

static int
by_place(const void *a, const void *b)
{
	const Finding *x = a;
	const Finding *y = b;
	uint64_t	xb = x->block == 0 ? UINT64_MAX : (uint64_t) x->block;
	uint64_t	yb = y->block == 0 ? UINT64_MAX : (uint64_t) y->block;

	if (xb != yb)
		return xb < yb ? -1 : 1;
	if (x->audit_id != y->audit_id)
		return x->audit_id < y->audit_id ? -1 : 1;
	return strcmp(x->class, y->class);
}

/* SHA-256 of OpenSSL, for the core's tree. */
static void
sha256(void *ctx, const void *data, size_t len, unsigned char *out)
{
	static EVP_MD * algorithm = NULL;

	if (algorithm == NULL)
		algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (algorithm == NULL ||
		EVP_DigestInit_ex2(ctx, algorithm, NULL) != 1 ||
		EVP_DigestUpdate(ctx, data, len) != 1 ||
		EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		fail("cannot compute SHA-256", NULL, 0);
}

static void
read_file(Log * log, const char *name, void (*reader) (Log *, FILE *, const char *))
{
	FILE	   *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

	if (file == NULL)
		fail("cannot be opened", name, 0);
	reader(log, file, name);
	if (file != stdin)
		fclose(file);
}

static void
print_number(int64_t value)
{
	if (value != 0)
		printf("\t%lld", (long long) value);
	else
		printf("\t");
}

int
main(int argc, char **argv)
{
	static Log log;
	int			files = 0;

	log.hasher.sha256 = sha256;
	log.hasher.ctx = EVP_MD_CTX_new();
	if (log.hasher.ctx == NULL)
		fail("out of memory", NULL, 0);
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--help") == 0)
		{
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--digest") == 0 && i + 1 < argc)
			read_file(&log, argv[++i], read_digests);
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
		{
			fputs(usage, stderr);
			return 2;
		}
		else
		{
			read_file(&log, argv[i], read_export);
			files++;
		}
	}
	if (files == 0)
		read_file(&log, "-", read_export);
	if (!log.whole && log.seals.n > 0)
		fail("the export has no first line: is it whole?", NULL, 0);
	if (!log.whole && log.proofs.n == 0)
		fail("there is nothing to check", NULL, 0);
	if (log.whole)
		check_log(&log);
	check_proofs(&log);
	if (log.findings.n > 0)
		qsort(log.findings.item, log.findings.n, sizeof(Finding), by_place);
	for (size_t i = 0; i < log.findings.n; i++)
	{
		const Finding *f = &log.findings.item[i];

		printf("%s", f->class);
		print_number(f->block);
		print_number(f->audit_id);
		printf("\t%s\n", f->detail);
	}
	EVP_MD_CTX_free(log.hasher.ctx);
	return log.findings.n > 0 ? 1 : 0;
}
