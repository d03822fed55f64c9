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
PYTHON_SUPPORTED := 3.9 3.10 3.11 3.12 3.13 3.14

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

.PHONY: pythons python python-test
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

$$(BUILD)/venv/$(1)/ready: runtimes/python/test/requirements.txt \
        runtimes/python/test/requirements-trace.txt $$(BUILD)/pythons.mk
	rm -rf $$(@D)
	$$(PYTHON_EXE_$(1)) -m venv $$(@D)
	$$(@D)/bin/python -m pip install -q --disable-pip-version-check \
	    $$(patsubst %,-r %,$$(filter %.txt,$$^))
	touch $$@

.PHONY: python-test-$(1)
python-test-$(1): python $$(BUILD)/venv/$(1)/ready
	SONDE_LIB=$$(abspath $$(PYTHON_DIR)) $$(BUILD)/venv/$(1)/bin/python -m pytest -q \
	    -p no:cacheprovider -p no:ddtrace -p no:ddtrace.pytest_bdd \
	    -p no:ddtrace.pytest_benchmark runtimes/python/test $$(PYTEST_ARGS)
endef
$(foreach version,$(PYTHON_BUILT),$(eval $(call PYTHON_RULES,$(version))))

## make wheels     a wheel for every interpreter found, in build/wheels
.PHONY: wheels
wheels: $(PYTHON_BUILT:%=wheel-%)
	@ls $(BUILD)/wheels

# From a copy, so that nothing is left in the tree.
wheel-%:
	rm -rf $(BUILD)/wheel-$* && mkdir -p $(BUILD)/wheel-$*/runtimes/python $(BUILD)/wheels
	cp -r pyproject.toml setup.py MANIFEST.in Makefile LICENSE README.md core include $(BUILD)/wheel-$*
	cp -r runtimes/python/src $(BUILD)/wheel-$*/runtimes/python
	$(PYTHON_EXE_$*) -m pip wheel -q --disable-pip-version-check --no-deps -w $(BUILD)/wheels $(BUILD)/wheel-$*
	rm -rf $(BUILD)/wheel-$*

$(PYTHON_DIR)/sonde/%.py: runtimes/python/src/sonde/%.py
	@mkdir -p $(@D)
	cp $< $@

$(PYTHON_DIR)/boot/sitecustomize.py: runtimes/python/boot/sitecustomize.py
	@mkdir -p $(@D)
	cp $< $@

## make python-test  the Python runtime's own tests, on every interpreter it was built for
python-test: $(PYTHON_BUILT:%=python-test-%)

## make explore    others' tests with probes everywhere: TESTS=, MODULES=, PYTHONS=, REQUIREMENTS=
.PHONY: explore
explore: python
	tools/explore.py --lib $(PYTHON_DIR) --venvs $(abspath $(BUILD))/venv \
	    $(foreach version,$(PYTHON_BUILT),--python $(version)=$(PYTHON_EXE_$(version))) \
	    --tests "$(TESTS)" --modules "$(MODULES)" --requirements "$(REQUIREMENTS)" $(EXPLORE_ARGS)

# The rewriter alone, as a module for its test, for the interpreters that need rewriting.
REWRITE_BUILT := $(filter 3.9 3.10 3.11,$(PYTHONS))
REWRITE_TEST := runtimes/python/test/rewriting
REWRITE_SRC := $(foreach part,rewrite code_reader assemble line_tables exception_table,\
                   runtimes/python/src/sonde/rewriting/$(part).c) $(REWRITE_TEST)/_rewrite_test.c
define REWRITE_RULES
REWRITE_OBJ_$(1) := $$(REWRITE_SRC:%.c=$$(BUILD)/obj/rewrite-$(1)/%.o)

$$(BUILD)/rewrite-$(1)/_rewrite_test.so: $$(REWRITE_OBJ_$(1)) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) -shared $$(LDFLAGS_ALL) -o $$@ $$^

$$(BUILD)/obj/rewrite-$(1)/%.o: %.c $$(BUILD)/pythons.mk
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -Iruntimes/python/src/sonde $$(PYTHON_INC_$(1)) $$(CFLAGS_ALL) \
	    -c $$< -o $$@

.PHONY: rewrite-test-$(1)
rewrite-test-$(1): $$(BUILD)/rewrite-$(1)/_rewrite_test.so
	PYTHONPATH=$$(<D) $$(PYTHON_EXE_$(1)) -B -m unittest discover -s $$(REWRITE_TEST) \
	    -p 'check_*.py' $$(REWRITE_ARGS)
-include $$(REWRITE_OBJ_$(1):.o=.d)
endef
$(foreach version,$(REWRITE_BUILT),$(eval $(call REWRITE_RULES,$(version))))

## make rewrite-test  the bytecode rewriter's own tests, on CPython 3.9, 3.10 and 3.11
.PHONY: rewrite-test
rewrite-test: $(REWRITE_BUILT:%=rewrite-test-%)
