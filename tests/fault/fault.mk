# SPDX-License-Identifier: Apache-2.0
# Fault injection over the fake runtime, with the contract suite's helpers and driver, and the
# collector of the agent's unit tests.
FAULT_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/fault/*.c) \
             tests/contract/suite.c tests/contract/record.c \
             $(wildcard tests/unit/agent_kit_*.c))

# What tests/fault/call.c stands in front of.
FAULT_WRAP := pthread_create pthread_attr_init mmap socket getentropy gethostname \
              curl_multi_init curl_easy_init curl_multi_add_handle curl_multi_poll \
              curl_slist_append curl_url deflateInit2_
FAULT_COMMA := ,
FAULT_WRAP_FLAGS := $(patsubst %,-Wl$(FAULT_COMMA)--wrap=%,$(FAULT_WRAP))

$(BUILD)/tests/fault/fault: $(FAULT_OBJ) $(CONTRACT_FAKE_OBJ) $(FAKE_OBJ) $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $(FAULT_WRAP_FLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka -lm

.PHONY: fault
fault: $(BUILD)/tests/fault/fault
	$<
