/* SPDX-License-Identifier: Apache-2.0
 *
 * Times and dates as ISO 8601 has them, of whatever zone.
 *
 * Ctx: a hook. Never raises, calls nothing of the application, makes no object. */
#ifndef SONDE_RB_TIMES_H
#define SONDE_RB_TIMES_H

#include "compat/compat.h"
#include <sonde/tape.h>

#define SONDE_RB_TIME_TEXT_BYTES 96 /* of the texts below */

enum sonde_rb_time_form {
    SONDE_RB_TIME_WHOLE,        /* "2026-03-01T12:30:00.25+02:00"; in UTC "…Z" */
    SONDE_RB_TIME_WITHOUT_ZONE, /* "2026-03-01T12:30:00.25" */
};

/* A Time into `text`, terminated; its length. 0: it is no Time, not initialized, or not known how it is kept.
 * One whose zone has not been asked for yet is shown in UTC: finding the zone would change the object. */
size_t sonde_rb_time_text(VALUE time, enum sonde_rb_time_form form, char *text);

/* The Time `utc`, shown with the offset by which `local` is ahead of it, as if that were in UTC. 0: not
 * possible. */
size_t sonde_rb_zoned_time_text(VALUE utc, VALUE local, char *text);

/* `value` is T_DATA. False, with nothing written: it can not be read. */
bool sonde_rb_try_write_time(struct sonde_tape *tape, struct sonde_str type, VALUE value);

/* A Date ("2026-03-01") or DateTime ("2026-03-01T12:30:00+00:00"), by the calendar that it goes by, which is the
 * Julian one before its reform. `value` is T_DATA. */
bool sonde_rb_try_write_date(struct sonde_tape *tape, struct sonde_str type, VALUE value);

#endif
