/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes that were set on one version of a file: they are armed nowhere else (SY-07). */
#include "core/probe/registry_report.h"

#include "core/base/sha1.h"

#include <stdarg.h>
#include <stdio.h>

void
sonde_registry_set_source(struct sonde_registry *registry, sonde_source_fn *source,
                          void *arg)
{
    registry->source = source;
    registry->source_arg = arg;
}

static void SONDE_PRINTF(3, 4)
    say(struct sonde_probe_state *out, enum sonde_status status, const char *format, ...)
{
    memset(out, 0, sizeof(*out)); /* padding too: states are compared as bytes */
    out->status = status;
    out->cause = SONDE_CAUSE_OTHER_VERSION;
    va_list args;
    va_start(args, format);
    vsnprintf(out->message, sizeof(out->message), format, args);
    va_end(args);
}

bool
sonde_registry_is_of_version(const struct sonde_registry *registry,
                             const struct sonde_probe_def *def, struct sonde_str file,
                             struct sonde_probe_state *why)
{
    unsigned char wanted[SONDE_SHA1_BYTES], found[SONDE_SHA1_BYTES];
    char text[SONDE_SHA1_TEXT_BYTES];
    if (def->source_hash.len == 0 || registry->source == NULL) {
        return true;
    }
    int rc = registry->source(registry->source_arg, file, found);
    if (rc == SONDE_E_LATER) {
        say(why, SONDE_STATUS_PENDING,
            "which version of %.*s is loaded is being looked up", (int)file.len,
            file.ptr);
        return false;
    }
    if (rc != SONDE_OK) {
        say(why, SONDE_STATUS_ERROR,
            "set on version %.*s of %.*s; which one is loaded can not be told: it was "
            "changed since, or can not be read",
            (int)def->source_hash.len, def->source_hash.ptr, (int)file.len, file.ptr);
        return false;
    }
    if (sonde_sha1_from_text(def->source_hash, wanted) &&
        memcmp(wanted, found, sizeof(wanted)) == 0) {
        return true;
    }
    sonde_sha1_to_text(found, text);
    say(why, SONDE_STATUS_ERROR, "set on version %.*s of %.*s; loaded is %s",
        (int)def->source_hash.len, def->source_hash.ptr, (int)file.len, file.ptr, text);
    return false;
}
