# SPDX-License-Identifier: Apache-2.0
.PHONY: bench
BENCH_INGEST := $(BUILD)/bench/collector_ingest

$(BUILD)/bench/%: bench/%.c $(LIBSONDE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIBSONDE) $(CORE_LIBS)

bench: all $(BENCH_INGEST)
	BUILD=$(abspath $(BUILD)) python3 bench/run.py $(BENCH)

## make bench-symbols  300,000 names of one service: taken in, stored, searched; BENCH="NAMES QUERIES"
.PHONY: bench-symbols
bench-symbols: $(BUILD)/sonde
	BUILD=$(abspath $(BUILD)) python3 bench/collector_symbols.py $(BENCH)
