/* SPDX-License-Identifier: Apache-2.0
 *
 * Arbitrary bytes as a tape record: the reader never reads outside them, and what it
 * accepts becomes a log record that the collector accepts. */
#include "core/base/alloc.h"
#include "core/capture/snapshot.h"
#include "core/capture/tape_format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
    if (!holds)
        abort();
}

/* Whether the reader comes to the record's end; it has to come to an end. */
static bool
is_readable(struct sonde_str record)
{
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
    size_t events = 0;

    if (sonde_tape_reader_init(&reader, record) != SONDE_OK)
        return false;
    do {
        int code = sonde_tape_reader_next(&reader, &event);

        if (code != SONDE_OK) {
            check(code == SONDE_E_CORRUPT);
            check(sonde_tape_reader_next(&reader, &event) == SONDE_E_CORRUPT);
            return false;
        }
        check(++events <= record.len);
    } while (event.kind != SONDE_TAPE_END);
    check(sonde_tape_reader_next(&reader, &event) == SONDE_OK);
    check(event.kind == SONDE_TAPE_END);
    return true;
}

static int
count_log(void *arg, const struct sonde_otlp_log *log)
{
    struct sonde_json_writer json;
    struct sonde_buf text;

    ++*(unsigned *)arg;
    sonde_buf_init(&text, 0);
    sonde_json_writer_init(&json, &text);
    check(sonde_otlp_any_to_json(&json, log->body) == SONDE_OK);
    sonde_buf_fini(&text);
    return 0;
}

static void
check_snapshot(struct sonde_str record, bool is_sound)
{
    struct sonde_otlp_request request;
    struct sonde_buf out;
    unsigned logs = 0;
    int code;

    sonde_buf_init(&out, 0);
    sonde_otlp_request_begin(&request, &out, SONDE_STR(""));
    code = sonde_snapshot_encode(&request, record, SONDE_STR("id"), 1);
    sonde_otlp_request_end(&request);
    check(code == (is_sound ? SONDE_OK : SONDE_E_CORRUPT));
    check(sonde_otlp_logs_read(sonde_buf_view(&out), count_log, &logs, NULL) == SONDE_OK);
    check(logs == (is_sound ? 1 : 0));
    sonde_buf_fini(&out);
}

/* A sound record can be gone on with. */
static void
check_resume(struct sonde_str record)
{
    static const struct sonde_limits limits = SONDE_LIMITS_INIT;
    struct sonde_tape tape;

    check(sonde_tape_init(&tape) == SONDE_OK);
    check(sonde_tape_resume(&tape, record, &limits, NULL) == SONDE_OK);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    sonde_tape_number(&tape, SONDE_STR("int"), SONDE_STR("1"));
    check(is_readable(sonde_tape_finish(&tape)));
    sonde_tape_fini(&tape);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sonde_str record = {sonde_alloc(size > 0 ? size : 1), size};
    char *bytes = (char *)record.ptr;

    check(bytes != NULL);
    memcpy(bytes, data, size);
    /* The magic and the length would stop nearly every input; give them away. */
    if (size >= SONDE_TAPE_FIXED_BYTES) {
        memcpy(bytes, SONDE_TAPE_MAGIC, SONDE_TAPE_MAGIC_BYTES);
        for (size_t i = 0; i < 4; i++)
            bytes[SONDE_TAPE_AT_LENGTH + i] = (char)(size >> (8 * i));
    }
    check_snapshot(record, is_readable(record));
    if (is_readable(record))
        check_resume(record);
    sonde_free(bytes);
    return 0;
}
