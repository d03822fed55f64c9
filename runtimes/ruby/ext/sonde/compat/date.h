/* SPDX-License-Identifier: Apache-2.0
 *
 * How the date library (2.0 to 3.5) keeps a day and a time of it; ext/date/date_core.c: SimpleDateData and
 * ComplexDateData. It may be a gem of any version and comes after us, so each object is checked by itself: by
 * the size that the library says it has, and by the first day of the Gregorian calendar, which is one of few
 * numbers and in no version stands where another has something that could be taken for it. */
#ifndef SONDE_RB_DATE_H
#define SONDE_RB_DATE_H

#include "compat/compat.h"

#include <math.h>
#include <string.h>

enum { /* flags: what has been computed so far */
       SONDE_RB_DATE_HAS_DAY = 1 << 0,
       SONDE_RB_DATE_HAS_SECONDS = 1 << 1,
       SONDE_RB_DATE_HAS_CIVIL = 1 << 2,
       SONDE_RB_DATE_HAS_CLOCK = 1 << 3,
       SONDE_RB_DATE_IS_COMPLEX = 1 << 7, /* has a time too */
};

/* Where it keeps what, in bytes. `period` is 0 for the years that anybody uses: day and year count from it. */
struct sonde_rb_date_layout {
    bool is_complex;
    size_t size, period, day, reform, year, packed;
    size_t seconds, offset, nanoseconds; /* of complex ones */
};

struct sonde_rb_date {
    unsigned flags;
    int day; /* the chronological Julian day, in UTC */
    int seconds;
    VALUE nanoseconds;
    int offset;   /* seconds east of UTC */
    float reform; /* infinite: always, never */
    /* Local: */
    int year, month, of_month, hour, minute, second;
};

static inline const struct sonde_rb_date_layout *
sonde_rb_date_layout_of(const char *inside, size_t size, bool is_complex)
{
    static const struct sonde_rb_date_layout known[] = {
        {false, 32, 8, 4, 16, 20, 24, 0, 0, 0},    /* seen in 3.2 */
        {true, 48, 8, 4, 16, 20, 24, 28, 32, 40},  /* its DateTime */
        {false, 32, 8, 16, 20, 24, 28, 0, 0, 0},   /* read in earlier sources */
        {true, 48, 8, 16, 36, 40, 44, 20, 32, 24}, /* their DateTime */
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        float reform;
        if (known[i].size != size || known[i].is_complex != is_complex) {
            continue;
        }
        memcpy(&reform, inside + known[i].reform, sizeof(reform));
        if (isinf(reform) || (reform >= 2298874 && reform <= 2426355)) {
            return &known[i];
        }
    }
    return NULL;
}

/* `value` is typed T_DATA. False: no Date, of a version that is not known, or of a year too far away. */
static inline bool
sonde_rb_date_of(VALUE value, struct sonde_rb_date *out)
{
    const rb_data_type_t *type = RTYPEDDATA_TYPE(value);
    const char *inside = sonde_rb_data(value);
    if (strcmp(type->wrap_struct_name, "Date") != 0 || inside == NULL ||
        type->function.dsize == NULL) {
        return false;
    }
    struct sonde_rb_date date = {.nanoseconds = INT2FIX(0)};
    unsigned packed;
    VALUE period;
    memcpy(&date.flags, inside, sizeof(date.flags));
    const struct sonde_rb_date_layout *at =
        sonde_rb_date_layout_of(inside, type->function.dsize(inside),
                                (date.flags & SONDE_RB_DATE_IS_COMPLEX) != 0);
    if (at == NULL) {
        return false;
    }
    memcpy(&period, inside + at->period, sizeof(period));
    memcpy(&date.day, inside + at->day, sizeof(date.day));
    memcpy(&date.reform, inside + at->reform, sizeof(date.reform));
    memcpy(&date.year, inside + at->year, sizeof(date.year));
    memcpy(&packed, inside + at->packed, sizeof(packed));
    if (at->is_complex) {
        memcpy(&date.seconds, inside + at->seconds, sizeof(date.seconds));
        memcpy(&date.offset, inside + at->offset, sizeof(date.offset));
        memcpy(&date.nanoseconds, inside + at->nanoseconds, sizeof(date.nanoseconds));
    }
    date.month = (int)(packed >> 22 & 15);
    date.of_month = (int)(packed >> 17 & 31);
    date.hour = (int)(packed >> 12 & 31);
    date.minute = (int)(packed >> 6 & 63);
    date.second = (int)(packed & 63);
    *out = date;
    return period == INT2FIX(0) &&
           (date.flags & (SONDE_RB_DATE_HAS_DAY | SONDE_RB_DATE_HAS_CIVIL)) != 0;
}

#endif
