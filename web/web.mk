# SPDX-License-Identifier: Apache-2.0
# The page: Vite makes $(BUILD)/web/dist, tools/embed-page makes one C file of it, and the binary
# gets that. Nothing of it runs again until a source of the page has changed.
#     make WEB=no      a binary without the page, which needs neither node nor npm
# node_modules stands beside the sources, where Vite looks for it, and is shared by all build
# directories.
WEB ?= yes
WEB_SRC := $(sort $(shell find web/src -type f) \
               $(addprefix web/,index.html package.json vite.config.ts tsconfig.json))
WEB_MODULES := web/node_modules/.package-lock.json
WEB_DIST := $(BUILD)/web/dist
PAGE_OBJ := $(BUILD)/obj/page.o

.PHONY: web web-test FORCE

## make web        the page alone
web: $(WEB_DIST)/index.html

# npm writes this file when all of it is there. No package's own script runs.
$(WEB_MODULES): web/package.json web/package-lock.json
	@major=$$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null); \
	if [ "$${major:-0}" -lt 18 ] || ! command -v npm >/dev/null; then \
	    echo "make: the page needs nodejs and npm, version 18 or later: install them," \
	        "or build without the page: make WEB=no" >&2; exit 1; fi
	cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_DIST)/index.html: $(WEB_SRC) $(WEB_MODULES) $(BUILD)/web/sources
	@rm -rf $(WEB_DIST)
	cd web && node_modules/.bin/vite build --logLevel warn --emptyOutDir \
	    --outDir $(abspath $(WEB_DIST))
	@touch $@

# What make can not see in the times of files: that one was removed, and which of the two kinds of
# binary is asked for. They change only when their text does.
$(BUILD)/web/sources: TEXT = $(WEB_SRC)
$(BUILD)/web/kind: TEXT = $(WEB)
$(BUILD)/web/sources $(BUILD)/web/kind: FORCE
	@mkdir -p $(@D)
	@echo $(TEXT) | cmp -s - $@ || echo $(TEXT) >$@

$(BUILD)/web/page.c: tools/embed-page web/web.mk $(BUILD)/web/kind \
        $(if $(filter no,$(WEB)),,$(WEB_DIST)/index.html)
	tools/embed-page $(if $(filter no,$(WEB)),,$(WEB_DIST)) >$@.new
	@mv $@.new $@

$(PAGE_OBJ): $(BUILD)/web/page.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c $< -o $@

## make web-test   the page's own tests: types, parts, and a browser on the real thing
# web/README.md says what they are. SONDE is the binary under test.
web-test: all $(WEB_MODULES)
	$(if $(filter no,$(WEB)),$(error web-test needs a binary with the page, not WEB=no))
	cd web && npm run --silent check && npm run --silent test
	cd web && SONDE=$(abspath $(BUILD))/sonde npm run --silent test:browser
