/* SPDX-License-Identifier: Apache-2.0
 *
 * The page for people: files made at build time (web/web.mk, tools/embed-page), packed
 * ahead, and the routes that hand them out. It holds no data: what it shows, it asks the
 * API for.
 *
 * Ctx: handlers on the server's threads; all is constant. */
#ifndef SONDE_PAGE_H
#define SONDE_PAGE_H

#include "collector/http/router.h"

struct sonde_page_file {
    const char *path; /* "index.html", which is `/`, or "assets/NAME" */
    const char *type; /* Content-Type */
    const char *etag; /* weak, since it stands for both forms: W/"…" */
    struct sonde_str plain;
    struct sonde_str packed; /* gzip; empty where that would not be smaller */
};

struct sonde_page {
    const struct sonde_page_file *files;
    size_t file_count;
};

/* Of this build; without a file after `make WEB=no`. Not a part of the collector, but of
 * the binary, which passes it in: tests have pages of their own. */
extern const struct sonde_page sonde_page_built;

/* `arg` of their set: a struct sonde_page. NULL, or without a file: answers say that
 * there is no page. */
extern const struct sonde_route sonde_page_routes[];
extern const size_t sonde_page_route_count;

#endif
