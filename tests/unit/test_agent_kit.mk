# What the agent's tests share.
AGENT_KIT := $(patsubst %,$(BUILD)/obj/tests/unit/agent_kit_%.o,vm collector symbols listing)
AGENT_TESTS := $(patsubst %,$(BUILD)/tests/unit/test_agent_%,channel export fork fault life \
    sources symbols symbols_life)
$(AGENT_TESTS): $(AGENT_KIT)
$(AGENT_TESTS): EXTRA = $(AGENT_KIT)
