/* SPDX-License-Identifier: Apache-2.0 */
#include <sonde/probe.h>

const char *
sonde_status_text(enum sonde_status status)
{
    switch (status) {
#define STATUS_CASE(name, text) \
    case SONDE_STATUS_##name:   \
        return text;
        SONDE_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown";
}

const char *
sonde_cause_text(enum sonde_cause cause)
{
    switch (cause) {
#define CAUSE_CASE(name, text) \
    case SONDE_CAUSE_##name:   \
        return text;
        SONDE_CAUSE_LIST(CAUSE_CASE)
#undef CAUSE_CASE
    }
    return "unknown";
}

const char *
sonde_probe_at_text(enum sonde_probe_at at)
{
    switch (at) {
    case SONDE_AT_LINE:
        return "line";
    case SONDE_AT_ENTRY:
        return "entry";
    case SONDE_AT_EXIT:
        return "exit";
    }
    return "unknown";
}
