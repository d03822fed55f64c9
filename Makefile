# SPDX-License-Identifier: Apache-2.0
# Builds everything there is into $(BUILD). `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
CLANG   ?= clang-14
OPT     ?= -O2 -g
OS      ?= $(if $(filter Linux,$(shell uname -s)),linux,generic)
VERSION := 0.1.0

WARN := -Wall -Wextra -Wundef -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wformat=2 -Wconversion -Wno-sign-conversion -Werror=implicit-function-declaration
CPPFLAGS += -Iinclude -I. -D_GNU_SOURCE -DSONDE_VERSION='"$(VERSION)"'
CFLAGS_ALL = -std=c17 $(OPT) $(WARN) -fPIC -fvisibility=hidden -fno-strict-aliasing \
        -pthread -MMD -MP $(SANITIZE) $(CFLAGS)
LDFLAGS_ALL = -pthread $(SANITIZE) $(LDFLAGS)

CORE_LIBS := -lcurl -lz -lm
HOST_LIBS := -lmicrohttpd -lsqlite3 -lzstd

# --- core ---------------------------------------------------------------------------------
# CORE_DIRS can be narrowed to build and test one layer alone.
CORE_DIRS ?= base wire capture probe symbols agent
CORE_SRC  := $(filter-out core/base/os_%.c,$(foreach d,$(CORE_DIRS),$(wildcard core/$(d)/*.c))) \
             core/base/os_$(OS).c
CORE_OBJ  := $(CORE_SRC:%.c=$(BUILD)/obj/%.o)
LIBSONDE  := $(BUILD)/libsonde.a

# --- the binary ---------------------------------------------------------------------------
HOST_SRC := $(wildcard cli/*.c) $(wildcard collector/*.c) $(wildcard collector/*/*.c) \
            $(wildcard collector/*/*/*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/obj/%.o)
COLLECTOR_OBJ := $(filter $(BUILD)/obj/collector/%,$(HOST_OBJ))
include web/web.mk

# --- runtimes -----------------------------------------------------------------------------
FAKE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard runtimes/fake/*.c))
include runtimes/python/python.mk
include runtimes/ruby/ruby.mk

# --- tests --------------------------------------------------------------------------------
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/unit/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/tests/fuzz/%)
# For each fuzzer, with `make fuzz`.
SECONDS_EACH ?= 60
PYTEST := $(BUILD)/venv/tools/bin/python -m pytest -q -p no:cacheprovider

.PHONY: all help core install clean format lint test unit unit-generic contract fault cli-test e2e e2e-python e2e-ruby e2e-frameworks \
        asan tsan valgrind fuzz fuzz-build fuzz-replay bench test-matrix
.DEFAULT_GOAL := all

## make            everything into build/: the binary, and a runtime for every interpreter found
all: $(BUILD)/sonde python ruby

## make install    PREFIX=/usr/local DESTDIR=
install: all
	install -D -m 755 $(BUILD)/sonde $(DESTDIR)$(PREFIX)/bin/sonde
	rm -rf $(DESTDIR)$(PREFIX)/lib/sonde
	mkdir -p $(DESTDIR)$(PREFIX)/lib
	cp -r $(BUILD)/lib/sonde $(DESTDIR)$(PREFIX)/lib/sonde

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

core: $(LIBSONDE)

$(LIBSONDE): $(CORE_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/sonde: $(HOST_OBJ) $(PAGE_OBJ) $(LIBSONDE)
	$(CC) $(LDFLAGS_ALL) -o $@ $(HOST_OBJ) $(PAGE_OBJ) $(LIBSONDE) $(HOST_LIBS) $(CORE_LIBS)

## make unit       unit tests
# A unit test is one file; what it needs beyond libsonde it says in tests/unit/NAME.mk
# (for example `$(BUILD)/tests/unit/test_store: EXTRA = $(COLLECTOR_OBJ)`).
-include $(wildcard tests/unit/*.mk)
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(EXTRA) $(LIBSONDE) $(EXTRA_LIBS) $(CORE_LIBS) -lcmocka

unit: $(UNIT_BIN) unit-generic
	@set -e; for t in $(UNIT_BIN); do echo "== $$t"; $$t; done

# What needs Linux has a counterpart that does nothing elsewhere; base holds with it too.
unit-generic:
ifneq ($(OS),generic)
	$(MAKE) BUILD=$(BUILD)/generic OS=generic CORE_DIRS=base unit \
	    UNIT_SRC="tests/unit/test_os.c tests/unit/test_ring.c tests/unit/test_lock.c"
endif

## make contract   one suite over every runtime
## make fault      the Nth allocation and the Nth call fail, for every N
-include tests/contract/contract.mk
-include tests/fault/fault.mk

# Every test's binary, so that suites may then run side by side.
.PHONY: tests-build
tests-build: $(UNIT_BIN) $(CONTRACT_BIN) $(BUILD)/tests/fault/fault

# Python tools of the tests themselves, apart from any interpreter under test.
$(BUILD)/venv/tools/ready: tests/requirements.txt
	rm -rf $(BUILD)/venv/tools
	$(shell tools/find-pythons --supported | tail -n 1 | cut -d' ' -f2) -m venv $(BUILD)/venv/tools
	$(BUILD)/venv/tools/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

## make cli-test   the command line against a scripted collector
cli-test: $(BUILD)/sonde $(BUILD)/venv/tools/ready
	SONDE=$(abspath $(BUILD))/sonde $(PYTEST) tests/cli

## make e2e        real applications, servers and failures: E2E_PYTHONS="3.9 3.12", or all
# By default the oldest and the newest, and 3.11, which is rewritten in a way of its own.
E2E_PYTHONS ?= $(filter $(firstword $(PYTHON_BUILT)) 3.11 $(lastword $(PYTHON_BUILT)),$(PYTHON_BUILT))
E2E = SONDE=$(abspath $(BUILD))/sonde E2E_PYTHONS="$(E2E_PYTHONS)" $(PYTEST)

# Each runtime's by itself, so that -j runs them side by side.
e2e: e2e-python e2e-ruby
e2e-python e2e-ruby: all $(BUILD)/venv/tools/ready
	$(E2E) tests/e2e -k $(if $(filter e2e-ruby,$@),"ruby or rails","not ruby and not rails")

## make e2e-frameworks  web frameworks alone, on E2E_PYTHONS too
e2e-frameworks: all $(BUILD)/venv/tools/ready
	$(E2E) tests/e2e/test_frameworks_handlers.py

## make test       all of the above and the runtimes' own tests
test: all
	$(MAKE) unit
	$(MAKE) contract
	$(MAKE) fault
	$(MAKE) python-test
	$(MAKE) ruby-test
	$(MAKE) cli-test
	$(MAKE) e2e

## make test-matrix  the Python tests on every interpreter here, and on those of newer Debian suites; MATRIX="--resume host:3.12 forky" for some
test-matrix:
	BUILD=$(BUILD) tools/test-matrix $(MATRIX)

## make asan       unit, contract and fault tests under AddressSanitizer and UBSan
asan:
	$(MAKE) BUILD=$(BUILD)/asan OPT="-O1 -g" CFLAGS="-DSONDE_DEBUG $(CFLAGS)" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" unit contract-fake fault

## make tsan       unit and contract tests of core and fake under ThreadSanitizer
tsan:
	$(MAKE) BUILD=$(BUILD)/tsan OPT="-O1 -g" CFLAGS="-DSONDE_DEBUG $(CFLAGS)" \
	    SANITIZE="-fsanitize=thread" unit contract-fake

## make valgrind   unit tests and the contract suite over fake under valgrind
valgrind: $(UNIT_BIN) contract-fake
	@set -e; for t in $(UNIT_BIN) $(BUILD)/tests/contract/contract-fake; do echo "== valgrind $$t"; \
	    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
	        --trace-children=no $$t >$(BUILD)/valgrind.log 2>&1 || { cat $(BUILD)/valgrind.log; exit 1; }; done

## make lint       layers, VM symbols, formatting, clang without a warning, scripts
lint: core $(FAKE_OBJ)
	tools/check-layers
	tools/check-vm-symbols $(BUILD)
	tools/check-docs
	clang-format-14 --dry-run -Werror $$(git ls-files '*.c' '*.h')
	shellcheck script/* tools/provide-python tools/check-vm-symbols tools/test-matrix .ci/run
	$(MAKE) BUILD=$(BUILD)/lint-clang CC=$(CLANG) OPT=-O1 CFLAGS=-Werror OS=generic \
	    $(BUILD)/lint-clang/obj/core/base/os_generic.o
	$(MAKE) BUILD=$(BUILD)/lint-clang CC=$(CLANG) OPT=-O1 CFLAGS=-Werror WEB=no all

## make fuzz       every fuzzer for SECONDS_EACH=60
FUZZ_MAKE = $(MAKE) BUILD=$(BUILD)/fuzz CC=$(CLANG) OPT="-O1 -g" \
    SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(COLLECTOR_OBJ) $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(COLLECTOR_OBJ) $(LIBSONDE) \
	    $(HOST_LIBS) $(CORE_LIBS)
fuzz-build: $(FUZZ_BIN)
fuzz:
	$(FUZZ_MAKE) fuzz-build
	@set -e; for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do \
	    mkdir -p $(BUILD)/fuzz/corpus/$$f; echo "== fuzz_$$f"; \
	    $(BUILD)/fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(SECONDS_EACH) -timeout=10 \
	        -artifact_prefix=$(BUILD)/fuzz/ -print_final_stats=1 \
	        $(BUILD)/fuzz/corpus/$$f tests/fuzz/corpus/$$f 2>&1 | tail -n 12; done

# The corpora alone, as tests.
fuzz-replay:
	$(FUZZ_MAKE) fuzz-build
	@set -e; for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do \
	    $(BUILD)/fuzz/tests/fuzz/fuzz_$$f -runs=0 tests/fuzz/corpus/$$f >$(BUILD)/fuzz/replay.log 2>&1 \
	    || { cat $(BUILD)/fuzz/replay.log; exit 1; }; echo "fuzz_$$f: corpus replayed"; done

## make bench      every figure, beside the plain way of doing it
-include bench/bench.mk

format:
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
