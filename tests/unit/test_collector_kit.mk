# SPDX-License-Identifier: Apache-2.0
# The collector's tests run one inside their own process.
COLLECTOR_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,\
    $(wildcard tests/unit/test_store*.c tests/unit/test_intake*.c tests/unit/test_control*.c \
               tests/unit/test_api*.c tests/unit/test_page.c))
COLLECTOR_KIT := $(BUILD)/obj/tests/unit/collector_kit.o
$(COLLECTOR_TESTS): EXTRA = $(COLLECTOR_KIT) $(COLLECTOR_OBJ)
$(COLLECTOR_TESTS): EXTRA_LIBS = $(HOST_LIBS)
$(COLLECTOR_TESTS): $(COLLECTOR_KIT) $(COLLECTOR_OBJ)
