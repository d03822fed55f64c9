/* SPDX-License-Identifier: Apache-2.0 */
#include "monitoring/trim.h"

#include "state.h"

#define KEPT_MAX 64

static bool
is_kept(const uint32_t *kept, size_t count, uint32_t unit)
{
    for (size_t i = 0; i < count; i++) {
        if (kept[i] == unit) {
            return true;
        }
    }
    return false;
}

static Py_ssize_t
next_instruction(const uint8_t *plain, Py_ssize_t i, Py_ssize_t count)
{
    do {
        i++;
    } while (i < count && plain[2 * i] == 0);
    return i;
}

size_t
sonde_py_trim_events(PyCodeObject *code, PyObject *plain_bytes, int tool,
                     const uint32_t *kept, size_t kept_count)
{
    const uint8_t *plain = (const uint8_t *)PyBytes_AS_STRING(plain_bytes);
    _PyCoMonitoringData *data = code->_co_monitoring;
    _Py_CODEUNIT *units = sonde_py_code_units(code);
    Py_ssize_t count = Py_SIZE(code), next;
    size_t taken = 0;
    if (data == NULL || data->per_instruction_opcodes == NULL ||
        PyBytes_GET_SIZE(plain_bytes) != count * 2) {
        return 0;
    }
    for (Py_ssize_t i = sonde_py_code_first(code); i < count; i = next) {
        next = next_instruction(plain, i, count);
        uint8_t *opcode = &units[i].op.code;
        /* Under another tool's LINE event ours stands elsewhere, in a place that differs between
         * patch releases: there the callback returns DISABLE. */
        if (*opcode != INSTRUMENTED_INSTRUCTION ||
            is_kept(kept, kept_count, (uint32_t)i)) {
            continue;
        }
        if (data->per_instruction_tools != NULL) {
            data->per_instruction_tools[i] &= (uint8_t) ~(1u << tool);
            if (data->per_instruction_tools[i] != 0) {
                continue; /* another tool listens here */
            }
        } else if (data->active_monitors.tools[SONDE_PY_EVENT_INSTRUCTION_INDEX] !=
                   1u << tool) {
            continue;
        }
        uint8_t original = data->per_instruction_opcodes[i];
        if (original == 0) {
            continue;
        }
        *opcode = original;
        data->per_instruction_opcodes[i] = 0;
        if (next > i + 1 && original == plain[2 * i]) {
            sonde_py_warm_up(&units[i + 1]);
        }
        taken++;
    }
    return taken;
}

size_t
sonde_py_trim_pairs(PyCodeObject *code, PyObject *plain_bytes)
{
    size_t joined = 0;
#if SONDE_PY_HAS_QUICKENED_PAIRS
    const uint8_t *plain = (const uint8_t *)PyBytes_AS_STRING(plain_bytes);
    _Py_CODEUNIT *units = sonde_py_code_units(code);
    Py_ssize_t count = Py_SIZE(code);
    if (PyBytes_GET_SIZE(plain_bytes) != count * 2) {
        return 0;
    }
    for (Py_ssize_t i = 0; i + 1 < count; i++) {
        /* Live opcodes that are the plain ones bear no event and are not specialised. */
        if (units[i].op.code != plain[2 * i] ||
            units[i + 1].op.code != plain[2 * i + 2]) {
            continue;
        }
        uint8_t pair = sonde_py_joined_pair(plain[2 * i], plain[2 * i + 2]);
        if (pair != 0) {
            units[i].op.code = pair;
            joined++;
        }
    }
#else
    (void)code;
    (void)plain_bytes;
#endif
    return joined;
}

bool
sonde_py_trim_prepare(PyCodeObject *code)
{
    _PyCoMonitoringData *data = code->_co_monitoring;
    if (!sonde_py_has(SONDE_PY_PART_TRIM) || data == NULL ||
        data->per_instruction_opcodes == NULL || data->per_instruction_tools != NULL) {
        return true;
    }
    size_t count = (size_t)Py_SIZE(code);
    const _Py_CODEUNIT *units = sonde_py_code_units(code);
    uint8_t *tools = PyMem_Malloc(count); /* CPython frees it with the code */
    if (tools == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t opcode = units[i].op.code;
        if (opcode == INSTRUMENTED_LINE && data->lines != NULL) {
            opcode = sonde_py_line_opcode(data, i);
        }
        bool is_told =
            opcode == INSTRUMENTED_INSTRUCTION && data->per_instruction_opcodes[i] != 0;
        tools[i] =
            is_told ? data->active_monitors.tools[SONDE_PY_EVENT_INSTRUCTION_INDEX] : 0;
    }
    data->per_instruction_tools = tools;
    return true;
}

void
sonde_py_trim(const struct sonde_py_armed *armed)
{
    uint32_t kept[KEPT_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position == SONDE_PY_WHOLE) {
            continue;
        }
        if (count == KEPT_MAX) {
            return; /* the callback does it */
        }
        kept[count++] = armed->sites[i].position;
    }
    PyObject *plain = sonde_py_code_plain(armed->code);
    if (plain == NULL) {
        sonde_py_clear_error();
        return;
    }
    if (count > 0 && sonde_py_has(SONDE_PY_PART_TRIM)) {
        sonde_py_trim_events(armed->code, plain, sonde_py.tool, kept, count);
    }
    if (sonde_py_has(SONDE_PY_PART_PAIRS)) {
        sonde_py_trim_pairs(armed->code, plain);
    }
    Py_DECREF(plain);
}
