# SPDX-License-Identifier: Apache-2.0
.PHONY: bench
BENCH_INGEST := $(BUILD)/bench/collector_ingest

$(BUILD)/bench/%: bench/%.c $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIBSONDE) $(CORE_LIBS)

bench: all $(BENCH_INGEST)
	BUILD=$(abspath $(BUILD)) python3 bench/run.py $(BENCH)
