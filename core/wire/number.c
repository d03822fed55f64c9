/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/number.h"

#include <locale.h>
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

void
sonde_number_write_double(char out[SONDE_NUMBER_TEXT_BYTES], double value)
{
    locale_t before = enter_c_locale();

    /* 15 digits are always exact from text to text, 17 from double to double. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, SONDE_NUMBER_TEXT_BYTES - 2, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    uselocale(before);
    if (strpbrk(out, ".e") == NULL)
        strcat(out, ".0");
}
