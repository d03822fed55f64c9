/* SPDX-License-Identifier: Apache-2.0 */
#include "monitoring/closing.h"

#include "state.h"

#define RESUME_MAY_CLEAR 4 /* Include/internal/pycore_opcode_utils.h: ..._DEPTH1_MASK */

void
sonde_py_closing_settle(const struct sonde_py_armed *armed)
{
    PyCodeObject *code = armed->code;
    if (Py_Version >= SONDE_PY_CLOSES_UNTOLD_BEFORE || !sonde_py_code_suspends(code)) {
        return;
    }
    /* CPython keeps these bytes with the code from the first time that they are asked for, so they
     * have the bit even when the code has not. */
    PyObject *plain_bytes = sonde_py_code_plain(code);
    if (plain_bytes == NULL) {
        sonde_py_clear_error();
        return;
    }
    const uint8_t *plain = (const uint8_t *)PyBytes_AS_STRING(plain_bytes);
    _Py_CODEUNIT *units = sonde_py_code_units(code);
    for (Py_ssize_t i = 0; i < Py_SIZE(code); i++) {
        uint8_t arg = plain[2 * i + 1];
        if (plain[2 * i] == RESUME && arg & RESUME_MAY_CLEAR) {
            units[i].op.arg = armed->is_told ? arg & ~RESUME_MAY_CLEAR : arg;
        }
    }
    Py_DECREF(plain_bytes);
}
