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
RUBY_SUPPORTED := 3.1

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

# Ruby's own flags are not for us: what we compile is C17 with our warnings.
define RUBY_RULES
RUBY_OBJ_$(1) := $$(RUBY_SRC:%.c=$$(BUILD)/obj/ruby-$(1)/%.o)
RUBY_EXT_$(1) := $$(RUBY_DIR)/sonde/$$(RUBY_ABI_$(1))/native.so

.PHONY: ruby-$(1)
ruby-$(1): $$(RUBY_EXT_$(1))

$$(RUBY_EXT_$(1)): $$(RUBY_OBJ_$(1)) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) -shared $$(LDFLAGS_ALL) -o $$@.new $$(RUBY_OBJ_$(1)) $$(LIBSONDE) $$(CORE_LIBS)
	@mv $$@.new $$@

$$(BUILD)/obj/ruby-$(1)/%.o: %.c $$(BUILD)/rubies.mk
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) -Iruntimes/ruby/ext/sonde $$(RUBY_INC_$(1)) $$(CFLAGS_ALL) \
	    -c $$< -o $$@

.PHONY: ruby-test-$(1)
ruby-test-$(1): ruby
	@set -e; for t in $$(wildcard runtimes/ruby/test/test_*.rb); do echo "== $$$$t"; \
	    SONDE_LIB=$$(abspath $$(RUBY_DIR)) $$(RUBY_EXE_$(1)) -Iruntimes/ruby/test $$$$t \
	        $$(RUBY_TEST_ARGS); done
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
