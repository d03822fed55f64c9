/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/tape_writer.h"

void
sonde_tape_want(struct sonde_tape *tape, struct sonde_str arguments,
                struct sonde_str locals)
{
    tape->wanted_arguments = arguments;
    tape->wanted_locals = locals;
}

bool
sonde_tape_wants(const struct sonde_tape *tape, enum sonde_group group,
                 struct sonde_str name)
{
    struct sonde_str names =
        group == SONDE_GROUP_LOCALS ? tape->wanted_locals : tape->wanted_arguments;
    if (names.len == 0) {
        return true;
    }
    const char *at = names.ptr, *end = names.ptr + names.len;
    while (at < end) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        size_t len = (size_t)((stop == NULL ? end : stop) - at);
        if (sonde_str_eq((struct sonde_str){at, len}, name)) {
            return true;
        }
        at += len + 1;
    }
    return false;
}
