# SPDX-License-Identifier: Apache-2.0
# The Python runtime: one extension for every interpreter that tools/find-pythons lists, all in
# one package folder, told apart by their suffix:
#     $(BUILD)/lib/sonde/python/sonde/{__init__.py,auto.py,_native.<suffix>}
#     $(BUILD)/lib/sonde/python/boot/sitecustomize.py

PYTHON_SRC := $(wildcard runtimes/python/src/sonde/*.c) \
              $(wildcard runtimes/python/src/sonde/compat/*.c)
# The engine (runtimes/python/src/sonde/engine.h) goes by the version.
PYTHON_SRC_monitoring := $(wildcard runtimes/python/src/sonde/monitoring/*.c)
PYTHON_SRC_rewriting := $(wildcard runtimes/python/src/sonde/rewriting/*.c)
PYTHON_REWRITING := 3.9 3.10 3.11
PYTHON_DIR := $(BUILD)/lib/sonde/python
PYTHON_FILES := $(patsubst runtimes/python/src/%,$(PYTHON_DIR)/%,\
                    $(wildcard runtimes/python/src/sonde/*.py)) \
                $(PYTHON_DIR)/boot/sitecustomize.py
PYTHON_SUPPORTED := 3.12 3.13

# Which interpreters there are: PYTHONS, and for each PYTHON_EXE_3.N and PYTHON_INC_3.N. Looked
# for once; `make pythons` looks again.
ifeq ($(filter clean help format,$(MAKECMDGOALS)),)
-include $(BUILD)/pythons.mk
endif

$(BUILD)/pythons.mk: tools/find-pythons runtimes/python/python.mk
	@mkdir -p $(@D)
	@tools/find-pythons | awk '{ print "PYTHONS += " $$1; print "PYTHON_EXE_" $$1 " := " $$2; \
	    printf "PYTHON_INC_%s :=", $$1; for (i = 3; i <= NF; i++) printf " -isystem %s", $$i; \
	    print "" }' > $@.new && mv $@.new $@

.PHONY: pythons python python-test python-bench
pythons:
	rm -f $(BUILD)/pythons.mk
	$(MAKE) $(BUILD)/pythons.mk

PYTHON_BUILT := $(filter $(PYTHON_SUPPORTED),$(PYTHONS))
PYTHON_LEFT := $(filter-out $(PYTHON_SUPPORTED),$(PYTHONS))

## make python     the Python runtime, for every interpreter found
python: $(PYTHON_FILES) $(PYTHON_BUILT:%=python-%)
	@echo "python: built for $(if $(PYTHON_BUILT),$(PYTHON_BUILT),no interpreter)$(if \
	    $(PYTHON_LEFT),; not supported yet: $(PYTHON_LEFT))"

# Python's own flags are not for us: what we compile is C17 with our warnings.
define PYTHON_RULES
PYTHON_OBJ_$(1) := $$(patsubst %.c,$$(BUILD)/obj/python-$(1)/%.o,$$(PYTHON_SRC) \
    $$(PYTHON_SRC_$$(if $$(filter $$(PYTHON_REWRITING),$(1)),rewriting,monitoring)))
PYTHON_EXT_$(1) := $$(PYTHON_DIR)/sonde/_native$$(shell $$(PYTHON_EXE_$(1)) -I -c \
    'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')

.PHONY: python-$(1)
python-$(1): $$(PYTHON_EXT_$(1))

$$(PYTHON_EXT_$(1)): $$(PYTHON_OBJ_$(1)) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) -shared -Wl,-z,now $$(LDFLAGS_ALL) -o $$@.new $$(PYTHON_OBJ_$(1)) $$(LIBSONDE) $$(CORE_LIBS)
	@mv $$@.new $$@

$$(BUILD)/obj/python-$(1)/%.o: %.c $$(BUILD)/pythons.mk
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -Iruntimes/python/src/sonde $$(PYTHON_INC_$(1)) $$(CFLAGS_ALL) \
	    -c $$< -o $$@

$$(BUILD)/venv/$(1)/ready: runtimes/python/test/requirements.txt $$(BUILD)/pythons.mk
	rm -rf $$(@D)
	$$(PYTHON_EXE_$(1)) -m venv $$(@D)
	$$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $$<
	touch $$@

.PHONY: python-test-$(1)
python-test-$(1): python $$(BUILD)/venv/$(1)/ready
	SONDE_LIB=$$(abspath $$(PYTHON_DIR)) $$(BUILD)/venv/$(1)/bin/python -m pytest -q \
	    -p no:cacheprovider runtimes/python/test $$(PYTEST_ARGS)
endef
$(foreach version,$(PYTHON_BUILT),$(eval $(call PYTHON_RULES,$(version))))

$(PYTHON_DIR)/sonde/%.py: runtimes/python/src/sonde/%.py
	@mkdir -p $(@D)
	cp $< $@

$(PYTHON_DIR)/boot/sitecustomize.py: runtimes/python/boot/sitecustomize.py
	@mkdir -p $(@D)
	cp $< $@

## make python-test  the Python runtime's own tests, on every interpreter it was built for
python-test: $(PYTHON_BUILT:%=python-test-%)

## make python-bench  what hits and snapshots cost, on every interpreter it was built for
python-bench: python
	@set -e; for python in $(foreach version,$(PYTHON_BUILT),$(PYTHON_EXE_$(version))); do \
	    PYTHONPATH=$(abspath $(PYTHON_DIR)) $$python runtimes/python/bench/bench.py; done
