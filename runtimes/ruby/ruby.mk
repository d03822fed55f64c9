# SPDX-License-Identifier: Apache-2.0
# The Ruby runtime: one extension for every interpreter that tools/find-rubies lists, all in one
# folder, told apart by RbConfig's ruby_version:
#     $(BUILD)/lib/sonde/ruby/{sonde.rb,sonde/auto.rb,sonde/3.1.0/native.so,boot/sonde_boot.rb}

RUBY_SRC := $(wildcard runtimes/ruby/ext/sonde/*.c) \
            $(wildcard runtimes/ruby/ext/sonde/compat/*.c)
RUBY_DIR := $(BUILD)/lib/sonde/ruby
RUBY_FILES := $(patsubst runtimes/ruby/lib/%,$(RUBY_DIR)/%,\
                  $(wildcard runtimes/ruby/lib/*.rb) $(wildcard runtimes/ruby/lib/sonde/*.rb)) \
              $(patsubst runtimes/ruby/boot/%,$(RUBY_DIR)/boot/%,\
                  $(wildcard runtimes/ruby/boot/*.rb))
RUBY_SUPPORTED := 2.7 3.0 3.1 3.2 3.3 3.4

# Which interpreters there are: RUBIES, and for each RUBY_ABI_3.N, RUBY_EXE_3.N and RUBY_INC_3.N.
# Looked for once; `make rubies` looks again.
ifeq ($(filter clean help format,$(MAKECMDGOALS)),)
-include $(BUILD)/rubies.mk
endif

$(BUILD)/rubies.mk: tools/find-rubies runtimes/ruby/ruby.mk
	@mkdir -p $(@D)
	@tools/find-rubies | awk '{ print "RUBIES += " $$1; print "RUBY_ABI_" $$1 " := " $$2; \
	    print "RUBY_EXE_" $$1 " := " $$3; \
	    printf "RUBY_INC_%s :=", $$1; for (i = 4; i <= NF; i++) printf " -isystem %s", $$i; \
	    print "" }' > $@.new && mv $@.new $@

.PHONY: rubies ruby ruby-test
rubies:
	rm -f $(BUILD)/rubies.mk
	$(MAKE) $(BUILD)/rubies.mk

RUBY_BUILT := $(filter $(RUBY_SUPPORTED),$(RUBIES))
RUBY_LEFT := $(filter-out $(RUBY_SUPPORTED),$(RUBIES))

## make ruby       the Ruby runtime, for every interpreter found
ruby: $(RUBY_FILES) $(RUBY_BUILT:%=ruby-%)
	@echo "ruby: built for $(if $(RUBY_BUILT),$(RUBY_BUILT),no interpreter: there is no Ruby \
	    $(RUBY_SUPPORTED) with its headers)$(if $(RUBY_LEFT),; not supported yet: $(RUBY_LEFT))"

# The longest first.
RUBY_TESTS := $(patsubst runtimes/ruby/test/%.rb,%,$(filter %/test_packaging.rb %/test_start.rb,\
                  $(wildcard runtimes/ruby/test/test_*.rb)) $(filter-out %/test_packaging.rb \
                  %/test_start.rb,$(wildcard runtimes/ruby/test/test_*.rb)))

# Ruby's own flags are not for us: what we compile is C17 with our warnings.
define RUBY_RULES
RUBY_OBJ_$(1) := $$(RUBY_SRC:%.c=$$(BUILD)/obj/ruby-$(1)/%.o)
RUBY_EXT_$(1) := $$(RUBY_DIR)/sonde/$$(RUBY_ABI_$(1))/native.so

.PHONY: ruby-$(1)
ruby-$(1): $$(RUBY_EXT_$(1))

$$(RUBY_EXT_$(1)): $$(RUBY_OBJ_$(1)) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) -shared -Wl,-z,now $$(LDFLAGS_ALL) -o $$@.new $$(RUBY_OBJ_$(1)) $$(LIBSONDE) $$(CORE_LIBS)
	@mv $$@.new $$@

$$(BUILD)/obj/ruby-$(1)/%.o: %.c $$(BUILD)/rubies.mk
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -Iruntimes/ruby/ext/sonde $$(RUBY_INC_$(1)) $$(CFLAGS_ALL) \
	    -c $$< -o $$@

# One target a file, so that -j runs them side by side.
.PHONY: ruby-test-$(1) $$(RUBY_TESTS:%=ruby-test-$(1)/%)
ruby-test-$(1): $$(RUBY_TESTS:%=ruby-test-$(1)/%)
$$(RUBY_TESTS:%=ruby-test-$(1)/%): ruby-test-$(1)/%: ruby
	@echo "== $(1) $$*"
	@SONDE_LIB=$$(abspath $$(RUBY_DIR)) $$(RUBY_EXE_$(1)) -Iruntimes/ruby/test \
	    runtimes/ruby/test/$$*.rb $$(RUBY_TEST_ARGS)
endef
$(foreach version,$(RUBY_BUILT),$(eval $(call RUBY_RULES,$(version))))

$(RUBY_DIR)/boot/%.rb: runtimes/ruby/boot/%.rb
	@mkdir -p $(@D)
	cp $< $@

$(RUBY_DIR)/%.rb: runtimes/ruby/lib/%.rb
	@mkdir -p $(@D)
	cp $< $@

## make ruby-test  the Ruby runtime's own tests, on every interpreter it was built for
ruby-test: $(RUBY_BUILT:%=ruby-test-%)

## make explore-ruby  others' tests with probes everywhere: LIBRARIES=, TESTS=, PACKAGES=, RUBIES=
.PHONY: explore-ruby
explore-ruby: ruby
	tools/explore-ruby.py --lib $(RUBY_DIR) --folder $(BUILD)/explore-ruby \
	    $(foreach version,$(RUBY_BUILT),--ruby $(version)=$(RUBY_EXE_$(version))) \
	    --libraries "$(LIBRARIES)" --tests "$(TESTS)" --packages "$(PACKAGES)" $(EXPLORE_ARGS)

# --- Under a microscope -------------------------------------------------------------------------
# The interpreter is the stock one; what is instrumented is the extension and the core in it.
RUBY_ASAN_DIR := $(abspath $(BUILD))/asan/lib/sonde/ruby
# Ruby has signal stacks of its own and frees little at its end; a test that says it crashed on purpose
# would be taken for a finding.
RUBY_ASAN_ENV = SONDE_LIB=$(RUBY_ASAN_DIR) UBSAN_OPTIONS=print_stacktrace=1 \
    ASAN_OPTIONS=use_sigaltstack=0:detect_leaks=0:handle_segv=0:abort_on_error=1 \
    LD_PRELOAD=$(shell $(CC) -print-file-name=libasan.so)
# Not those that are about other processes (start, fork) or other builds (packaging).
RUBY_ASAN_TESTS := $(filter-out %/test_start.rb %/test_fork.rb %/test_packaging.rb,\
                       $(wildcard runtimes/ruby/test/test_*.rb))
RUBY_TORTURE_SECONDS ?= 10

## make ruby-asan  the extension under AddressSanitizer and UBSan in the stock Ruby: tests and torture
.PHONY: ruby-asan ruby-torture ruby-valgrind
ruby-asan:
	$(MAKE) BUILD=$(BUILD)/asan OPT="-O1 -g" CFLAGS="-DSONDE_DEBUG $(CFLAGS)" WEB=no \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" ruby
	@set -e; for t in $(RUBY_ASAN_TESTS) runtimes/ruby/test/torture.rb; do echo "== asan $$t"; \
	    SECONDS=$(RUBY_TORTURE_SECONDS) $(RUBY_ASAN_ENV) \
	        $(RUBY_EXE_$(lastword $(RUBY_BUILT))) -Iruntimes/ruby/test $$t; done

## make ruby-torture  collector, threads, exceptions and reloads against probes, RUBY_TORTURE_SECONDS=10
ruby-torture: ruby
	SECONDS=$(RUBY_TORTURE_SECONDS) SONDE_LIB=$(abspath $(RUBY_DIR)) \
	    $(RUBY_EXE_$(lastword $(RUBY_BUILT))) runtimes/ruby/test/torture.rb

# CRuby reads whole stacks for what may be references, and is not clean under valgrind by itself: what
# counts are reports in which a function of ours is near. The logs are kept.
RUBY_VALGRIND_SECONDS ?= 10
## make ruby-valgrind  torture and a test of capture under valgrind: no report that is ours
ruby-valgrind: ruby
	@set -e; for t in test_tripwires torture; do echo "== valgrind $$t"; \
	    log=$(BUILD)/valgrind-ruby-$$t.log; rm -f $$log; \
	    SECONDS=$(RUBY_VALGRIND_SECONDS) SONDE_LIB=$(abspath $(RUBY_DIR)) \
	        valgrind -q --error-limit=no --num-callers=24 --log-file=$$log \
            --suppressions=runtimes/ruby/test/valgrind.supp --fullpath-after=$(CURDIR)/ \
	        $(RUBY_EXE_$(lastword $(RUBY_BUILT))) -Iruntimes/ruby/test runtimes/ruby/test/$$t.rb; \
	    runtimes/ruby/test/valgrind-ours $$log; done
