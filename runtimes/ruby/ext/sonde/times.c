/* SPDX-License-Identifier: Apache-2.0 */
#include "times.h"

#include "compat/date.h"
#include "state.h"
#include "text.h"

#include <stdio.h>

#define DAY_SECONDS 86400
#define EPOCH_DAY 2440588 /* 1970-01-01 as a Julian day */

/* --- Numbers ------------------------------------------------------------------------------------ */

/* The whole seconds since 1970 and the nanoseconds above them, rounded down. False: no number
 * of a sensible size. */
static bool
split_nanoseconds(VALUE time, int64_t *seconds, int *nanoseconds)
{
    /* A part of a nanosecond, as a time made of a Float has, is a Rational. */
    bool is_rational = RB_TYPE_P(time, T_RATIONAL);
    VALUE numerator = is_rational ? rb_rational_num(time) : time;
    VALUE denominator = is_rational ? rb_rational_den(time) : INT2FIX(1);
    uint64_t words[2] = {0, 0};
    if (!FIXNUM_P(denominator) || FIX2LONG(denominator) <= 0 ||
        !(FIXNUM_P(numerator) || RB_TYPE_P(numerator, T_BIGNUM)) ||
        rb_absint_size(numerator, NULL) > 15) {
        return false;
    }
    int sign =
        rb_integer_pack(numerator, words, 2, sizeof(words[0]), 0,
                        INTEGER_PACK_LSWORD_FIRST | INTEGER_PACK_NATIVE_BYTE_ORDER);
    __int128 whole = (__int128)((unsigned __int128)words[1] << 64 | words[0]);
    __int128 by = FIX2LONG(denominator);
    whole = sign < 0 ? -((whole + by - 1) / by) : whole / by;
    __int128 rest = whole % 1000000000;
    rest += rest < 0 ? 1000000000 : 0;
    whole = (whole - rest) / 1000000000;
    if (whole > INT64_MAX / 1000 || whole < INT64_MIN / 1000) {
        return false;
    }
    *seconds = (int64_t)whole;
    *nanoseconds = (int)rest;
    return true;
}

/* The proleptic Gregorian date of a day counted from 1970-01-01: years that begin in March put
 * the leap day last. */
static void
date_of_day(int64_t day, int64_t *year, int *month, int *of_month)
{
    int64_t since = day + 719468; /* 0000-03-01 */
    int64_t era = (since >= 0 ? since : since - 146096) / 146097;
    int64_t of_era = since - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *of_month = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = years + era * 400 + (*month <= 2);
}

/* The same by the Julian calendar: every fourth year has a leap day. */
static void
julian_date_of_day(int64_t day, int64_t *year, int *month, int *of_month)
{
    int64_t since = day + 719470; /* 0000-03-01 of that calendar */
    int64_t era = (since >= 0 ? since : since - 1460) / 1461;
    int64_t of_era = since - era * 1461;
    int64_t years = (of_era - of_era / 1460) / 365;
    int64_t of_year = of_era - 365 * years;
    int64_t shifted = (5 * of_year + 2) / 153;
    *of_month = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = years + era * 4 + (*month <= 2);
}

/* --- Texts -------------------------------------------------------------------------------------- */

struct clock {
    int64_t year;
    int month, of_month, hour, minute, second, nanoseconds;
    long offset;
};

static size_t
ended(int len)
{
    return len < 0                                  ? 0
           : (size_t)len < SONDE_RB_TIME_TEXT_BYTES ? (size_t)len
                                                    : SONDE_RB_TIME_TEXT_BYTES - 1;
}

static size_t
put_date(const struct clock *clock, char *text)
{
    long long year = clock->year;
    return ended(snprintf(text, SONDE_RB_TIME_TEXT_BYTES, "%s%04lld-%02d-%02d",
                          year < 0 ? "-" : "", year < 0 ? -year : year, clock->month,
                          clock->of_month));
}

/* `zone` is written after it; NULL: the offset. */
static size_t
put_clock(const struct clock *clock, const char *zone, char *text)
{
    char fraction[16] = "", offset[16] = "";
    size_t at = put_date(clock, text);
    if (clock->nanoseconds != 0) {
        int places = snprintf(fraction, sizeof(fraction), ".%09d", clock->nanoseconds);
        while (fraction[--places] == '0') {
            fraction[places] = '\0';
        }
    }
    if (zone == NULL) {
        long ahead = clock->offset < 0 ? -clock->offset : clock->offset;
        snprintf(offset, sizeof(offset), "%c%02d:%02d", clock->offset < 0 ? '-' : '+',
                 (int)(ahead / 3600 % 24), (int)(ahead / 60 % 60));
    }
    int len = snprintf(text + at, SONDE_RB_TIME_TEXT_BYTES - at, "T%02d:%02d:%02d%s%s",
                       clock->hour, clock->minute, clock->second, fraction,
                       zone != NULL ? zone : offset);
    return ended(len < 0 ? len : (int)at + len);
}

static void
set_clock(struct clock *clock, int64_t seconds)
{
    int64_t day = (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
    int of_day = (int)(seconds - day * DAY_SECONDS);
    date_of_day(day, &clock->year, &clock->month, &clock->of_month);
    clock->hour = of_day / 3600;
    clock->minute = of_day / 60 % 60;
    clock->second = of_day % 60;
}

/* --- Time ----------------------------------------------------------------------------------------- */

/* In seconds since 1970. */
struct moment {
    int64_t seconds;
    int nanoseconds;
    long offset;
    bool is_utc; /* or shown so, its zone not being known yet */
};

static bool
try_moment(VALUE time, struct moment *out)
{
    struct sonde_rb_time inside;
    if (!sonde_rb_has(SONDE_RB_PART_VALUES) || !RB_TYPE_P(time, T_DATA) ||
        !RTYPEDDATA_P(time) ||
        strcmp(RTYPEDDATA_TYPE(time)->wrap_struct_name, "time") != 0 ||
        !RTEST(rb_obj_is_kind_of(time, rb_cTime)) ||
        !sonde_rb_time_of_object(time, &inside) ||
        !split_nanoseconds(inside.nanoseconds, &out->seconds, &out->nanoseconds)) {
        return false;
    }
    bool has_offset = inside.has_offset && FIXNUM_P(inside.offset);
    out->offset = has_offset ? FIX2LONG(inside.offset) : 0;
    out->is_utc = inside.is_utc || !has_offset;
    return out->offset > -DAY_SECONDS && out->offset < DAY_SECONDS;
}

size_t
sonde_rb_time_text(VALUE time, enum sonde_rb_time_form form, char *text)
{
    struct moment moment;
    if (!try_moment(time, &moment)) {
        return 0;
    }
    struct clock clock = {.nanoseconds = moment.nanoseconds, .offset = moment.offset};
    set_clock(&clock, moment.seconds + moment.offset);
    return put_clock(&clock,
                     form == SONDE_RB_TIME_WITHOUT_ZONE ? ""
                     : moment.is_utc                    ? "Z"
                                                        : NULL,
                     text);
}

size_t
sonde_rb_zoned_time_text(VALUE utc, VALUE local, char *text)
{
    struct moment from, to;
    if (!try_moment(utc, &from) || !try_moment(local, &to) || !from.is_utc ||
        !to.is_utc || from.nanoseconds != to.nanoseconds) {
        return 0;
    }
    int64_t ahead = to.seconds - from.seconds;
    if (ahead <= -DAY_SECONDS || ahead >= DAY_SECONDS) {
        return 0;
    }
    struct clock clock = {.nanoseconds = to.nanoseconds, .offset = (long)ahead};
    set_clock(&clock, to.seconds);
    return put_clock(&clock, NULL, text);
}

bool
sonde_rb_try_write_time(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    char text[SONDE_RB_TIME_TEXT_BYTES];
    size_t len = sonde_rb_time_text(value, SONDE_RB_TIME_WHOLE, text);
    if (len != 0) {
        sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, text, len);
    }
    return len != 0;
}

/* --- Date and DateTime ---------------------------------------------------------------------------- */

/* False: what is needed was not computed yet in any form. */
static bool
set_date(struct clock *clock, const struct sonde_rb_date *date)
{
    bool has_clock = (date->flags & SONDE_RB_DATE_HAS_CLOCK) != 0;
    bool has_seconds = (date->flags & SONDE_RB_DATE_HAS_SECONDS) != 0;
    bool is_complex = (date->flags & SONDE_RB_DATE_IS_COMPLEX) != 0;
    int64_t day = (int64_t)date->day - EPOCH_DAY, local = 0;
    if (is_complex && !has_clock && !has_seconds) {
        return false;
    }
    if (has_clock) {
        local = date->hour * 3600 + date->minute * 60 + date->second;
        int64_t in_utc = local - date->offset;
        day += in_utc < 0 ? 1 : in_utc >= DAY_SECONDS ? -1 : 0;
    } else if (has_seconds) {
        local = (int64_t)date->seconds + date->offset;
        day += local < 0 ? -1 : local >= DAY_SECONDS ? 1 : 0;
        local += local < 0 ? DAY_SECONDS : local >= DAY_SECONDS ? -DAY_SECONDS : 0;
    }
    clock->hour = (int)(local / 3600);
    clock->minute = (int)(local / 60 % 60);
    clock->second = (int)(local % 60);
    if (date->flags & SONDE_RB_DATE_HAS_CIVIL) {
        clock->year = date->year;
        clock->month = date->month;
        clock->of_month = date->of_month;
    } else if ((double)(day + EPOCH_DAY) < (double)date->reform) {
        julian_date_of_day(day, &clock->year, &clock->month, &clock->of_month);
    } else {
        date_of_day(day, &clock->year, &clock->month, &clock->of_month);
    }
    return true;
}

bool
sonde_rb_try_write_date(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    char text[SONDE_RB_TIME_TEXT_BYTES];
    struct sonde_rb_date date;
    int64_t unused;
    if (!sonde_rb_date_of(value, &date)) {
        return false;
    }
    struct clock clock = {.offset = date.offset};
    if (!set_date(&clock, &date) ||
        !split_nanoseconds(date.nanoseconds, &unused, &clock.nanoseconds)) {
        return false;
    }
    /* A Date may have a time of the day too, which it does not show. */
    bool has_time =
        (date.flags & SONDE_RB_DATE_IS_COMPLEX) != 0 &&
        sonde_rb_descends_from(sonde_rb_class_of(value), SONDE_STR("DateTime"));
    size_t len = has_time ? put_clock(&clock, NULL, text) : put_date(&clock, text);
    sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, text, len);
    return true;
}
