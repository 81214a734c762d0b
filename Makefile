# nurture: see README.md. "make help" lists the targets.

EXTENSION = nurture
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" nurture.control)
MODULE_big = nurture

SQL_PARTS = $(sort $(filter-out %.tables.sql,$(wildcard sql/[0-9][0-9]_*.sql)))
DDL_PARTS = $(sort $(wildcard sql/[0-9][0-9]_*.tables.sql)) $(sort $(wildcard sql/seed/*.sql))
DDL_TEXT = src/integration/ddl_text

OBJS = $(sort $(patsubst %.c,%.o,$(filter-out $(DDL_TEXT).c,$(wildcard src/*.c src/*/*.c)))) $(DDL_TEXT).o
DATA_built = nurture--$(EXTVERSION).sql
DATA = $(filter-out $(DATA_built),$(wildcard nurture--*--*.sql)) nurture_config.schema.json
EXTRA_CLEAN = $(DDL_TEXT).c build/unit build/fuzz

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -std=gnu11 -fvisibility=hidden -Wall -Wextra -Wshadow=local -Wvla -Werror \
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-declaration-after-statement
# the library that the server hashes with, where src/base/sha256.c finds its header
SHLIB_LINK = $(if $(shell printf '\043include <openssl/evp.h>' | $(CC) $(CPPFLAGS) -E -x c - > /dev/null 2>&1 && echo yes),$(filter -lcrypto,$(LIBS)))

# pgTAP files under pg_regress; their output is in expected/
REGRESS = install $(filter-out install,$(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=pgtap --load-extension=nurture
ISOLATION = iso_install $(filter-out iso_install,$(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=nurture

# the private PostgreSQL tree of tools/setup, when it is there
PG_MAJOR ?= 15
PG_CONFIG ?= $(shell tools/cluster pg_config)

OURS = help setup demo test test-long test-majors bench indent check-indent check-symbols check-requirements unit verify-tool fuzz instructions install-private test-sql test-isolation test-tap distclean-all
.PHONY: $(OURS)

# Targets of ours need no pg_config; everything else is PGXS.
ifneq ($(filter-out $(OURS),$(or $(MAKECMDGOALS),all)),)
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(DATA_built): $(SQL_PARTS) nurture.control
	cat $(SQL_PARTS) > $@

$(DDL_TEXT).c: $(DDL_PARTS) tools/embed
	python3 tools/embed $(DDL_PARTS) > $@.tmp && mv $@.tmp $@

# a changed header rebuilds everything: the tree is small
$(OBJS): $(wildcard src/*/*.h)
endif

help:
	@echo "make demo          everything installed, built, run on real data in a private cluster"
	@echo "make test          the same set-up, then every test"
	@echo "make test-long     random tests at their full length"
	@echo "make test-majors   the pgTAP files and isolation specs on PostgreSQL 17 and 18"
	@echo "make bench         ratios against bare tables, SQL and PL/pgSQL in one run"
	@echo "make setup         packages and the private PostgreSQL tree"
	@echo "make install-private   build and install into that tree"
	@echo "make unit | fuzz   tests of the server-free core; SECONDS=n for fuzz"
	@echo "make verify-tool   build/nurture-verify, which checks an exported audit trail without PostgreSQL"
	@echo "make instructions  counts the core's instructions under callgrind"
	@echo "make test-sql [T='name ...'] | test-isolation [T=...] | test-tap [T=test/t/...]"
	@echo "make indent | check-indent | check-symbols | check-requirements"
	@echo "make, make install, make installcheck   for packagers (PGXS, PG_CONFIG=...)"

setup: ; @tools/setup
demo: ; @tools/run demo
test: ; @tools/run test
test-long: ; @tools/run long
test-majors: ; @tools/majors $(or $(MAJORS),17 18)
bench: ; @tools/run bench
install-private: ; @tools/run build
test-sql: ; @tools/run sql $(T)
test-isolation: ; @tools/run isolation $(T)
test-tap: ; @tools/run tap $(T)
unit: ; @test/unit/run $(T)
instructions: ; @test/bench/instructions
verify-tool: ; @tools/verify/build
fuzz: ; @test/fuzz/run $(or $(SECONDS),60)
indent: ; @tools/indent
check-indent: ; @tools/indent --check
check-symbols: ; @tools/check-symbols
check-requirements: ; @tools/requirements --check
distclean-all: ; @tools/cluster fresh; rm -rf build results output_iso log
