/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void
make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The C locale for this thread alone. Should there be none (no memory, once), uselocale
 * takes the zero as a question and changes nothing. */
static locale_t
enter_c_locale(void)
{
    pthread_once(&c_locale_once, make_c_locale);
    return uselocale(c_locale);
}

bool
sonde_number_read_uint(struct sonde_str text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned int digit = (unsigned int)((unsigned char)text.ptr[i] - '0');

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool
sonde_number_read_int(struct sonde_str text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t size;

    if (negative) {
        text.ptr++;
        text.len--;
    }
    if (!sonde_number_read_uint(text, &size) || size > (uint64_t)INT64_MAX + negative)
        return false;
    /* Negated as unsigned: -INT64_MIN has no signed form. */
    *out = (int64_t)(negative ? 0 - size : size);
    return true;
}

bool
sonde_number_read_double(const char *text, double *out)
{
    locale_t before;
    double value;
    char *end;

    /* strtod would also take hexadecimal, names and leading space. */
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    before = enter_c_locale();
    value = strtod(text, &end);
    uselocale(before);
    if (*end != '\0')
        return false;
    *out = value;
    return true;
}

/* 15 digits are always exact from text to text, 17 from double to double. */
enum { FEWEST_DIGITS = 15, MOST_DIGITS = 17 };

void
sonde_number_write_double(char out[SONDE_NUMBER_TEXT_BYTES], double value)
{
    locale_t before = enter_c_locale();

    for (int digits = FEWEST_DIGITS; digits <= MOST_DIGITS; digits++) {
        snprintf(out, SONDE_NUMBER_TEXT_BYTES - 2, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    uselocale(before);
    if (strpbrk(out, ".e") == NULL)
        strcat(out, ".0");
}

/* Below a power of two the doubles lie twice as close as above it: there the nearest text of so
 * many digits may not read back while the next one up, which is farther, does. */
static bool
next_reads_back(char *text, double value)
{
    char *last = strchr(text, 'e') - 1;

    if (*last < '0' || *last > '8')
        return false;
    ++*last;
    if (strtod(text, NULL) == value)
        return true;
    --*last;
    return false;
}

/* The shortest digits of a finite value, without trailing zeros; returns the exponent of the
 * first of them. */
static int
shortest_digits(char out[MOST_DIGITS + 1], double value)
{
    char text[SONDE_NUMBER_TEXT_BYTES]; /* d.ddde±xx */
    locale_t before = enter_c_locale();
    size_t count = 0;

    /* Subnormal numbers hold fewer digits. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : FEWEST_DIGITS; digits <= MOST_DIGITS;
         digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value || next_reads_back(text, value))
            break;
    }
    uselocale(before);
    for (const char *at = text; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            out[count++] = *at;
    while (count > 1 && out[count - 1] == '0')
        count--;
    out[count] = '\0';
    return atoi(strchr(text, 'e') + 1);
}

void
sonde_number_write_float(char out[SONDE_NUMBER_TEXT_BYTES], double value)
{
    const char *sign = signbit(value) ? "-" : "";
    char digits[MOST_DIGITS + 1];
    int exponent, count;

    if (!isfinite(value)) {
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%s%s", isnan(value) ? "" : sign,
                 isnan(value) ? "nan" : "inf");
        return;
    }
    exponent = shortest_digits(digits, value);
    count = (int)strlen(digits);
    if (exponent < -4 || exponent >= 16)
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%s%c%s%se%+03d", sign, digits[0],
                 count > 1 ? "." : "", digits + 1, exponent);
    else if (exponent < 0)
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%s0.%.*s%s", sign, -exponent - 1, "000",
                 digits);
    else if (count <= exponent + 1)
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%s%.17s%.*s.0", sign, digits,
                 exponent + 1 - count, "000000000000000");
    else
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%s%.*s.%s", sign, exponent + 1, digits,
                 digits + exponent + 1);
}
