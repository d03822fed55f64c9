/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been the same since CPython 3.12; included by the version's own header, behind what
 * that knows of its frames. */
#ifndef SONDE_PY_SINCE_3_12_H
#define SONDE_PY_SINCE_3_12_H

#include "compat/since_3_11.h"

static inline _Py_CODEUNIT *
sonde_py_code_units(PyCodeObject *code)
{
    return _PyCode_CODE(code);
}

/* Include/cpython/longintrepr.h, _PyLongValue: the number of digits above three bits of which
 * two tell the sign (0 positive, 1 zero, 2 negative). */
static inline size_t
sonde_py_int_size(const PyLongObject *number)
{
    return (size_t)(number->long_value.lv_tag >> _PyLong_NON_SIZE_BITS);
}

static inline bool
sonde_py_int_is_negative(const PyLongObject *number)
{
    return (number->long_value.lv_tag & _PyLong_SIGN_MASK) == 2;
}

static inline const digit *
sonde_py_int_digits(const PyLongObject *number)
{
    return number->long_value.ob_digit;
}

#endif
