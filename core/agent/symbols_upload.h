/* SPDX-License-Identifier: Apache-2.0
 *
 * From a finished listing to the collector (docs/formats/symbols.md, "From an agent"): its files become units; all
 * that the collector was not known to have are claimed; it says which it lacks; those are sent with their scopes, and
 * the text of the application's own files where that is wanted. Nothing is given up for want of a collector: what
 * was not acknowledged is tried again, for ever. When an upload is over the listing is freed, and the names of
 * its units are kept.
 *
 * A step takes some milliseconds of the thread, since the snapshots wait for it.
 *
 * Ctx: the agent thread. */
#ifndef SONDE_SYMBOLS_UPLOAD_H
#define SONDE_SYMBOLS_UPLOAD_H

#include "core/agent/backoff.h"
#include "core/agent/symbols.h"
#include "core/agent/symbols_table.h"
#include "core/wire/http.h"

#define SONDE_UPLOAD_MOST_UNITS 2000 /* in one call */

struct sonde_agent;

struct sonde_upload {
    struct sonde_agent *agent;
    struct sonde_http *http;
    struct sonde_http_call *call; /* NULL: none is under way */
    struct sonde_backoff backoff;
    struct sonde_symbol_counts counts;
    bool has_trouble; /* counts.message is about the connection */

    enum { SONDE_UPLOAD_IDLE, SONDE_UPLOAD_MAKING, SONDE_UPLOAD_CALLING } phase;
    struct sonde_listed
        listed; /* its listing may be NULL: what is known is claimed again */

    struct sonde_table known; /* of this upload once it calls, and of the former ones */
    struct sonde_table made;
    sonde_scope_id root; /* the file that is made into units; 0: all are */
    uint32_t part, parts;
    struct sonde_file_facts facts; /* of that file, when parts is not 0 */

    enum {
        SONDE_CALL_CLAIMS,
        SONDE_CALL_UNITS,
        SONDE_CALL_SOURCES,
        SONDE_CALL_FINAL, /* with nothing in it, where the one before was not known to be the last */
        SONDE_CALL_NONE
    } kind;
    uint32_t cursor; /* units before it are done with, in this kind of call */
    uint32_t batch_end;
    uint32_t batch[SONDE_UPLOAD_MOST_UNITS]; /* of the call under way */
    uint32_t batch_count, batch_most;
    uint32_t missing_count, source_count; /* that have to be sent */
    uint32_t refused_count;               /* single units in a row */
    bool lacks_listing; /* the collector lacks what is not in the listing at hand */
    bool has_called;    /* in this upload */
    uint64_t serial;    /* of the upload */
    uint32_t batch_num;
};

void sonde_upload_init(struct sonde_upload *upload, struct sonde_agent *agent,
                       struct sonde_http *http);
void sonde_upload_fini(struct sonde_upload *upload);

/* Goes on with what there is to send. Returns when (monotonic) to be called again; INT64_MAX: when a call
 * ended, or there is a listing. */
int64_t sonde_upload_step(struct sonde_upload *upload, int64_t now_ns);

/* --- symbols_body.c ------------------------------------------------------------------------ */

/* Chooses what the next call holds, which sets the batch and may go on to the next kind, and writes its body.
 * False: there is nothing left to send; also where the buffer failed. */
bool sonde_upload_write_body(struct sonde_upload *upload, struct sonde_buf *out);

#endif
