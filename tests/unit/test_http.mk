# SPDX-License-Identifier: Apache-2.0
$(BUILD)/tests/unit/test_http: EXTRA = $(BUILD)/obj/tests/unit/http_server.o
$(BUILD)/tests/unit/test_http: $(BUILD)/obj/tests/unit/http_server.o
