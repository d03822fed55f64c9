# SPDX-License-Identifier: Apache-2.0
# The contract suite: one binary for each runtime, from the same objects.
CONTRACT_SUITE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/contract/suite*.c) \
                      tests/contract/main.c tests/contract/record.c)
CONTRACT_FAKE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,tests/contract/fake_driver.c \
                     tests/contract/native_thread.c \
                     $(wildcard tests/contract/programs/*.c tests/contract/programs/*/*.c))

CONTRACT_DEFS := -DCONTRACT_DIR='"$(CURDIR)/tests/contract"'
$(BUILD)/obj/tests/contract/%: CPPFLAGS += $(CONTRACT_DEFS)

$(BUILD)/tests/contract/contract-fake: $(CONTRACT_SUITE_OBJ) $(CONTRACT_FAKE_OBJ) $(FAKE_OBJ) $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CORE_LIBS) -lcmocka -lm

.PHONY: contract contract-fake contract-python contract-ruby
contract-fake: $(BUILD)/tests/contract/contract-fake
	$<

# Each CPython is embedded, with the extension's objects linked in.
define CONTRACT_PYTHON_RULES
$$(BUILD)/obj/python-$(1)/tests/contract/python_driver.o: CPPFLAGS += $$(CONTRACT_DEFS) \
    -DCONTRACT_PYTHON='"$$(PYTHON_EXE_$(1))"'

$$(BUILD)/tests/contract/contract-python$(1): $$(BUILD)/obj/python-$(1)/tests/contract/python_driver.o \
        $$(BUILD)/obj/tests/contract/native_thread.o $$(PYTHON_OBJ_$(1)) \
        $$(CONTRACT_SUITE_OBJ) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(CORE_LIBS) -lcmocka \
	    $$$$($$(PYTHON_EXE_$(1)) -I tests/contract/embed_flags.py)

.PHONY: contract-python-$(1)
contract-python-$(1): $$(BUILD)/tests/contract/contract-python$(1)
	$$<
endef
$(foreach version,$(PYTHON_BUILT),$(eval $(call CONTRACT_PYTHON_RULES,$(version))))

contract-python: $(PYTHON_BUILT:%=contract-python-%)

# So is each CRuby. Bound at once: who binds late leaves the vector registers on the stack, where the
# collector of CRuby takes what is in them for references.
define CONTRACT_RUBY_RULES
$$(BUILD)/obj/ruby-$(1)/tests/contract/ruby_driver.o: CPPFLAGS += $$(CONTRACT_DEFS) \
    -DCONTRACT_RUBY='"$(1)"'

$$(BUILD)/tests/contract/contract-ruby$(1): $$(BUILD)/obj/ruby-$(1)/tests/contract/ruby_driver.o \
        $$(RUBY_OBJ_$(1)) $$(CONTRACT_SUITE_OBJ) $$(LIBSONDE)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS_ALL) -Wl,-z,now -o $$@ $$^ $$(CORE_LIBS) -lcmocka \
	    $$$$($$(RUBY_EXE_$(1)) --disable=gems tests/contract/embed_flags.rb)

.PHONY: contract-ruby-$(1)
contract-ruby-$(1): $$(BUILD)/tests/contract/contract-ruby$(1)
	$$<
endef
$(foreach version,$(RUBY_BUILT),$(eval $(call CONTRACT_RUBY_RULES,$(version))))

contract-ruby: $(RUBY_BUILT:%=contract-ruby-%)
contract: contract-fake contract-python contract-ruby

CONTRACT_BIN := $(BUILD)/tests/contract/contract-fake \
    $(PYTHON_BUILT:%=$(BUILD)/tests/contract/contract-python%) \
    $(RUBY_BUILT:%=$(BUILD)/tests/contract/contract-ruby%)
