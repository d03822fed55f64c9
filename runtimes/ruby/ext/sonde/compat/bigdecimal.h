/* SPDX-License-Identifier: Apache-2.0
 *
 * How the bigdecimal library (2.0 to 3.1) keeps a number; ext/bigdecimal/bigdecimal.h: Real. It comes as a
 * gem of any version and after us, so each object is checked by itself: by its back pointer, which
 * later versions have not, and by the size that the library says it has. */
#ifndef SONDE_RB_BIGDECIMAL_H
#define SONDE_RB_BIGDECIMAL_H

#include "compat/compat.h"

#include <string.h>

#define SONDE_RB_BIGDECIMAL_PLACES 9 /* decimal places of a digit */

struct sonde_rb_bigdecimal {
    VALUE object;
    size_t room;
    size_t count;
    intptr_t exponent; /* in digits: of 0.DIGITS */
    short kind; /* 0: NaN, 1: zero, 2: a number, 3: infinite; negative ones below 0 */
    short flag;
    uint32_t digits[];
};

/* The inside of a BigDecimal; NULL: it is none, or of a version that is not known. */
static inline const struct sonde_rb_bigdecimal *
sonde_rb_bigdecimal_of(VALUE value)
{
    const rb_data_type_t *type = RTYPEDDATA_TYPE(value);
    const struct sonde_rb_bigdecimal *inside = sonde_rb_data(value);
    if (strcmp(type->wrap_struct_name, "BigDecimal") != 0 || inside == NULL ||
        type->function.dsize == NULL || inside->object != value) {
        return NULL;
    }
    size_t size =
        type->function.dsize(inside) - offsetof(struct sonde_rb_bigdecimal, digits);
    size_t rest = size - inside->room * sizeof(inside->digits[0]);
    return inside->count <= inside->room && rest <= sizeof(VALUE) && inside->kind >= -3 &&
                   inside->kind <= 3
               ? inside
               : NULL;
}

#endif
