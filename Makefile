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

CORE_LIBS := -lcurl -lz
HOST_LIBS := -lmicrohttpd -lsqlite3 -lzstd

# --- core ---------------------------------------------------------------------------------
# CORE_DIRS can be narrowed to build and test one layer alone.
CORE_DIRS ?= base wire capture probe agent
CORE_SRC  := $(filter-out core/base/os_%.c,$(foreach d,$(CORE_DIRS),$(wildcard core/$(d)/*.c))) \
             core/base/os_$(OS).c
CORE_OBJ  := $(CORE_SRC:%.c=$(BUILD)/obj/%.o)
LIBSONDE  := $(BUILD)/libsonde.a

# --- the binary ---------------------------------------------------------------------------
HOST_SRC := $(wildcard cli/*.c) $(wildcard collector/*.c) $(wildcard collector/*/*.c) \
            $(wildcard collector/*/*/*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/obj/%.o)
COLLECTOR_OBJ := $(filter $(BUILD)/obj/collector/%,$(HOST_OBJ))

# --- runtimes -----------------------------------------------------------------------------
FAKE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard runtimes/fake/*.c))
include runtimes/python/python.mk

# --- tests --------------------------------------------------------------------------------
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/unit/%)

.PHONY: all help core clean format test unit lint
.DEFAULT_GOAL := all
all: $(BUILD)/sonde python

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

$(BUILD)/sonde: $(HOST_OBJ) $(LIBSONDE)
	$(CC) $(LDFLAGS_ALL) -o $@ $(HOST_OBJ) $(LIBSONDE) $(HOST_LIBS) $(CORE_LIBS)

# A unit test is one file; what it needs beyond libsonde it says in tests/unit/NAME.mk
# (for example `$(BUILD)/tests/unit/test_store: EXTRA = $(COLLECTOR_OBJ)`).
-include $(wildcard tests/unit/*.mk)
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(EXTRA) $(LIBSONDE) $(EXTRA_LIBS) $(CORE_LIBS) -lcmocka

unit: $(UNIT_BIN)
	@set -e; for t in $(UNIT_BIN); do echo "== $$t"; $$t; done

format:
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
