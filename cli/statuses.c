/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/statuses.h"

#include "cli/console.h"
#include "cli/words.h"
#include <sonde/probe.h>

/* Best first. */
static const enum sonde_status ORDER[] = {
    SONDE_STATUS_EMITTING, SONDE_STATUS_INSTALLED, SONDE_STATUS_RECEIVED,
    SONDE_STATUS_PENDING,  SONDE_STATUS_ERROR,
};

static bool
is_current(const struct sonde_json *probe, const struct sonde_json *instance)
{
    int64_t newest = sonde_json_get_int(probe, "revision", 0);
    return sonde_json_get_int(instance, "revision", newest) >= newest;
}

/* The first instance at or after `instance` that counts. */
static const struct sonde_json *
current_from(const struct sonde_json *probe, const struct sonde_json *instance)
{
    while (instance != NULL && !is_current(probe, instance)) {
        instance = instance->next;
    }
    return instance;
}

static const struct sonde_json *
current_first(const struct sonde_json *probe)
{
    const struct sonde_json *instances = sonde_json_get(probe, "instances");
    return current_from(probe, instances == NULL ? NULL : instances->first);
}

static bool
has_status(const struct sonde_json *instance, enum sonde_status status)
{
    return sonde_str_eq(sonde_json_get_str(instance, "status"),
                        sonde_str_from(sonde_status_text(status)));
}

static bool
has_cause(const struct sonde_json *instance, enum sonde_cause cause)
{
    return sonde_str_eq(sonde_json_get_str(instance, "cause"),
                        sonde_str_from(sonde_cause_text(cause)));
}

enum sonde_verdict
sonde_statuses_judge(const struct sonde_json *probe)
{
    const struct sonde_json *instance = current_first(probe);
    if (instance == NULL) {
        return SONDE_VERDICT_WAITING;
    }
    bool has_failed = false;
    for (; instance != NULL; instance = current_from(probe, instance->next)) {
        if (has_status(instance, SONDE_STATUS_INSTALLED) ||
            has_status(instance, SONDE_STATUS_EMITTING) ||
            has_cause(instance, SONDE_CAUSE_HIT_LIMIT)) {
            return SONDE_VERDICT_ARMED;
        }
        has_failed = has_failed || has_status(instance, SONDE_STATUS_ERROR);
    }
    return has_failed ? SONDE_VERDICT_FAILED : SONDE_VERDICT_WAITING;
}

enum sonde_tone
sonde_statuses_tone(struct sonde_str status)
{
    if (sonde_str_eq(status, sonde_str_from(sonde_status_text(SONDE_STATUS_ERROR)))) {
        return SONDE_TONE_BAD;
    }
    if (sonde_str_eq(status, sonde_str_from(sonde_status_text(SONDE_STATUS_EMITTING))) ||
        sonde_str_eq(status, sonde_str_from(sonde_status_text(SONDE_STATUS_INSTALLED)))) {
        return SONDE_TONE_GOOD;
    }
    return SONDE_TONE_WARN;
}

enum sonde_tone
sonde_statuses_summary(struct sonde_buf *out, const struct sonde_json *probe)
{
    enum sonde_tone tone = SONDE_TONE_DIM;
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
        size_t count = 0;
        const struct sonde_json *instance = current_first(probe);
        for (; instance != NULL; instance = current_from(probe, instance->next)) {
            count += has_status(instance, ORDER[i]) ? 1 : 0;
        }
        if (count > 0) {
            const char *text = sonde_status_text(ORDER[i]);
            sonde_buf_printf(out, "%s%zu %s", tone == SONDE_TONE_DIM ? "" : ", ", count,
                             text);
            tone = sonde_statuses_tone(sonde_str_from(text));
        }
    }
    if (tone == SONDE_TONE_DIM) {
        sonde_buf_str(out, SONDE_STR("no process"));
    }
    return tone;
}

int64_t
sonde_statuses_sum(const struct sonde_json *probe, const char *key)
{
    uint64_t sum = 0;
    const struct sonde_json *instance = current_first(probe);
    for (; instance != NULL; instance = current_from(probe, instance->next)) {
        sum += (uint64_t)sonde_json_get_int(instance, key, 0);
    }
    return (int64_t)sum;
}

void
sonde_statuses_reason(struct sonde_buf *out, const struct sonde_json *instance)
{
    struct sonde_str cause = sonde_json_get_str(instance, "cause");
    struct sonde_str message = sonde_json_get_str(instance, "message");
    const struct sonde_json *nearest = sonde_json_get(instance, "nearest_lines");
    sonde_buf_str(out, cause);
    if (message.len > 0) {
        sonde_buf_str(out, cause.len > 0 ? SONDE_STR(": ") : SONDE_STR(""));
        sonde_buf_str(out, message);
    }
    if (nearest != NULL && nearest->first != NULL) {
        sonde_buf_str(out, SONDE_STR("; nearest lines "));
        sonde_words_numbers(out, nearest);
    }
}

static bool
is_worth_saying(const struct sonde_json *instance, bool also_pending)
{
    bool is_error = has_status(instance, SONDE_STATUS_ERROR) &&
                    !has_cause(instance, SONDE_CAUSE_HIT_LIMIT);
    return is_error || (also_pending && has_status(instance, SONDE_STATUS_PENDING));
}

void
sonde_statuses_say_reasons(const struct sonde_json *probe, bool also_pending)
{
    struct sonde_buf reason;
    struct sonde_buf said; /* each with a newline at its end */
    sonde_buf_init(&reason, 0);
    sonde_buf_init(&said, 0);
    const struct sonde_json *instance = current_first(probe);
    for (; instance != NULL; instance = current_from(probe, instance->next)) {
        sonde_buf_reset(&reason);
        sonde_statuses_reason(&reason, instance);
        sonde_buf_byte(&reason, '\n');
        bool is_new = reason.failed == SONDE_OK && reason.len > 1 &&
                      (said.len == 0 ||
                       memmem(said.data, said.len, reason.data, reason.len) == NULL);
        if (is_new && is_worth_saying(instance, also_pending)) {
            struct sonde_str status = sonde_json_get_str(instance, "status");
            sonde_buf_str(&said, sonde_buf_view(&reason));
            sonde_console_say("%.*s: %.*s", (int)status.len, status.ptr,
                              (int)reason.len - 1, reason.data);
        }
    }
    sonde_buf_fini(&reason);
    sonde_buf_fini(&said);
}
