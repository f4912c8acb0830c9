# Pocket: `make` builds the extension and the sidecar, `make install` installs both.
# The other targets set the machine up first: see `make help`.

PG_CONFIG ?= pg_config
POCKET_VERSION := 0.1.0
PREFIX ?= /usr

DRIVERS := demo demo-stop drill check check-long bench setup help format

ifneq ($(filter $(DRIVERS),$(MAKECMDGOALS)),)

.PHONY: $(DRIVERS)

help:
	@echo "make            build the extension and the sidecar"
	@echo "make install    install them (PREFIX, DESTDIR)"
	@echo "make demo       set up everything and do the main job on real files (DIR=/usr/share/doc)"
	@echo "make demo-stop  stop what the demo left running"
	@echo "make drill      recover the database to a moment before compaction and deletes, over drives as they are after them"
	@echo "make check      every test; ends with \"N passed, N failed\""
	@echo "make check-long longer suites"
	@echo "make bench      the benchmark, each figure beside its peer or limit"
	@echo "make setup      install the Debian packages that all this needs (as root), or print the command"
	@echo "make format     apply .clang-format"

setup:
	@regress/setup.sh

demo: setup
	@DIR="$(DIR)" regress/demo/demo.sh

demo-stop:
	@regress/demo/stop.sh

drill: setup
	@regress/drill/drill.sh

check: setup
	@regress/check.sh

check-long: setup
	@regress/check.sh long

bench: setup
	@regress/bench/bench.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

else ifeq ($(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null)),)

.DEFAULT_GOAL := all
all install:
	@echo "PostgreSQL's server headers are missing (no PGXS from '$(PG_CONFIG)'): run 'make setup' as root" >&2; exit 1

else

.DEFAULT_GOAL := all

EXTENSION = pocket
MODULE_big = pocket
OBJS = $(patsubst %.c,%.o,$(wildcard extension/*.c extension/*/*.c))
DATA_built = pocket--$(POCKET_VERSION).sql
EXTRA_CLEAN = $(wildcard extension/*.d extension/*/*.d)

# Header dependencies are the compiler's: PGXS leaves them out.
PG_CPPFLAGS = -Iextension -MMD -MP
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wvla -Wformat=2
SHLIB_LINK = -lcurl -lisal -lcrypto
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
-include $(OBJS:.o=.d)

# The server's own sources do not declare variables where they are used, and do not pass this.
override CFLAGS := $(filter-out -Wdeclaration-after-statement,$(CFLAGS))

pocket--$(POCKET_VERSION).sql: $(sort $(wildcard sql/*))
	awk -f sql/build.awk $(sort $(filter-out sql/data.sql,$(wildcard sql/*.sql))) > $@.tmp
	mv $@.tmp $@

include sidecar/Makefile

all: sidecar
install: install-sidecar
clean: clean-sidecar

endif
