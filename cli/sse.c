/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sse.h"

#include <stdio.h>

void
sonde_sse_init(struct sonde_sse *sse, size_t max_bytes, sonde_sse_event_fn *event,
               void *arg)
{
    *sse = (struct sonde_sse){.event = event, .arg = arg};
    sonde_buf_init(&sse->line, max_bytes);
    sonde_buf_init(&sse->data, max_bytes);
}

void
sonde_sse_fini(struct sonde_sse *sse)
{
    sonde_buf_fini(&sse->line);
    sonde_buf_fini(&sse->data);
}

void
sonde_sse_reset(struct sonde_sse *sse)
{
    sonde_buf_reset(&sse->line);
    sonde_buf_reset(&sse->data);
    sse->name[0] = '\0';
    sse->was_cr = false;
    sse->has_begun = false;
    sse->has_ended = false;
}

/* An empty line: the event is whole. One without data is none. */
static void
dispatch(struct sonde_sse *sse)
{
    if (sse->data.len > 0 && sse->data.failed == SONDE_OK) {
        struct sonde_str name =
            sse->name[0] == '\0' ? SONDE_STR("message") : sonde_str_from(sse->name);
        struct sonde_str data = {sse->data.data, sse->data.len - 1};
        sse->has_ended = !sse->event(sse->arg, name, data);
    }
    if (sse->data.failed == SONDE_OK) {
        sonde_buf_reset(&sse->data);
    }
    sse->name[0] = '\0';
}

static void
field(struct sonde_sse *sse, struct sonde_str name, struct sonde_str value)
{
    if (sonde_str_eq(name, SONDE_STR("data"))) {
        sonde_buf_str(&sse->data, value);
        sonde_buf_byte(&sse->data, '\n');
    } else if (sonde_str_eq(name, SONDE_STR("event"))) {
        int len = value.len < sizeof(sse->name) ? (int)value.len : 0;
        snprintf(sse->name, sizeof(sse->name), "%.*s", len, len == 0 ? "" : value.ptr);
    }
}

static void
end_line(struct sonde_sse *sse)
{
    struct sonde_str line = sonde_buf_view(&sse->line);
    if (!sse->has_begun && line.len >= 3 && memcmp(line.ptr, "\xEF\xBB\xBF", 3) == 0) {
        line.ptr += 3;
        line.len -= 3;
    }
    sse->has_begun = true;
    if (line.len == 0) {
        dispatch(sse);
    } else if (line.ptr[0] != ':') {
        const char *colon = memchr(line.ptr, ':', line.len);
        struct sonde_str name = line;
        struct sonde_str value = {0};
        if (colon != NULL) {
            name.len = (size_t)(colon - line.ptr);
            value = (struct sonde_str){colon + 1, line.len - name.len - 1};
            if (value.len > 0 && value.ptr[0] == ' ') {
                value.ptr++;
                value.len--;
            }
        }
        field(sse, name, value);
    }
    if (sse->line.failed == SONDE_OK) {
        sonde_buf_reset(&sse->line);
    }
}

int
sonde_sse_feed(struct sonde_sse *sse, struct sonde_str piece)
{
    size_t at = 0;
    while (at < piece.len && !sse->has_ended) {
        if (sse->was_cr && piece.ptr[at] == '\n') {
            at++;
            sse->was_cr = false;
            continue;
        }
        sse->was_cr = false;
        size_t end = at;
        while (end < piece.len && piece.ptr[end] != '\n' && piece.ptr[end] != '\r') {
            end++;
        }
        sonde_buf_append(&sse->line, piece.ptr + at, end - at);
        if (end < piece.len) {
            sse->was_cr = piece.ptr[end] == '\r';
            end_line(sse);
            end++;
        }
        at = end;
        int failed = sse->line.failed != SONDE_OK ? sse->line.failed : sse->data.failed;
        if (failed != SONDE_OK) {
            return failed;
        }
    }
    return sse->has_ended ? SONDE_E_CLOSED : SONDE_OK;
}
