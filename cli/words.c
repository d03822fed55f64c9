/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words.h"

#include "core/base/clock.h"

#include <stdio.h>
#include <time.h>

const char *
sonde_words_elapsed(char out[SONDE_WORDS_BYTES], int64_t ns)
{
    double value = (double)ns;
    const char *unit = "ns";
    if (ns >= SONDE_NS_PER_S) {
        value /= (double)SONDE_NS_PER_S;
        unit = "s";
    } else if (ns >= SONDE_NS_PER_MS) {
        value /= (double)SONDE_NS_PER_MS;
        unit = "ms";
    } else if (ns >= SONDE_NS_PER_US) {
        value /= (double)SONDE_NS_PER_US;
        unit = "µs";
    }
    int decimals = ns < SONDE_NS_PER_US || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(out, SONDE_WORDS_BYTES, "%.*f %s", decimals, value, unit);
    return out;
}

const char *
sonde_words_span(char out[SONDE_WORDS_BYTES], int64_t from_ns, int64_t to_ns)
{
    uint64_t ns = to_ns > from_ns ? (uint64_t)to_ns - (uint64_t)from_ns : 0;
    unsigned long long seconds = ns / (uint64_t)SONDE_NS_PER_S;
    if (seconds < 120) {
        snprintf(out, SONDE_WORDS_BYTES, "%llus", seconds);
    } else if (seconds < 7200) {
        snprintf(out, SONDE_WORDS_BYTES, "%llum", seconds / 60);
    } else if (seconds < 172800) {
        snprintf(out, SONDE_WORDS_BYTES, "%lluh", seconds / 3600);
    } else {
        snprintf(out, SONDE_WORDS_BYTES, "%llud", seconds / 86400);
    }
    return out;
}

const char *
sonde_words_time(char out[SONDE_WORDS_BYTES], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / SONDE_NS_PER_S);
    int millis = (int)(wall_ns % SONDE_NS_PER_S / SONDE_NS_PER_MS);
    struct tm local;
    char text[SONDE_WORDS_BYTES - 6];
    if (wall_ns < 0 || localtime_r(&seconds, &local) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0) {
        snprintf(out, SONDE_WORDS_BYTES, "at no time");
    } else {
        snprintf(out, SONDE_WORDS_BYTES, "%s.%03d", text, millis);
    }
    return out;
}

int64_t
sonde_words_total(const struct sonde_json *counts)
{
    uint64_t total = 0;
    const struct sonde_json *count = counts == NULL ? NULL : counts->first;
    for (; count != NULL; count = count->next) {
        total += count->is_integer ? (uint64_t)count->integer : 0;
    }
    return (int64_t)total;
}

void
sonde_words_counts(struct sonde_buf *out, const struct sonde_json *counts)
{
    const char *comma = "";
    const struct sonde_json *count = counts == NULL ? NULL : counts->first;
    for (; count != NULL; count = count->next) {
        if (count->is_integer && count->integer != 0) {
            sonde_buf_str(out, sonde_str_from(comma));
            sonde_buf_str(out, count->key);
            sonde_buf_printf(out, " %lld", (long long)count->integer);
            comma = ", ";
        }
    }
}

void
sonde_words_numbers(struct sonde_buf *out, const struct sonde_json *numbers)
{
    const char *comma = "";
    const struct sonde_json *number = numbers == NULL ? NULL : numbers->first;
    for (; number != NULL; number = number->next) {
        sonde_buf_str(out, sonde_str_from(comma));
        sonde_buf_str(out, number->source);
        comma = ", ";
    }
}
