/* SPDX-License-Identifier: Apache-2.0 */
#include "monitoring/turns.h"

#include "frames.h"
#include "lines.h"
#include "state.h"

/* The jump that this thread is making. Between the event of the jump and that of the
 * instruction nothing else runs in the frame; what a signal handler runs has another frame. */
static _Thread_local struct {
    const sonde_py_frame *frame;
    const PyCodeObject *code; /* NULL: none */
    int to;
} jump;

/* The answer given last, since a loop asks again with every turn; forgotten when the events of any
 * code object change, which each has before its first jump is told. */
static struct {
    const PyCodeObject *code;
    int from;
} known; /* guarded by the VM lock */

static bool
is_turn(PyCodeObject *code, int from, int to)
{
    return to <= from && sonde_py_line_of_unit(code, from) > 0 &&
           sonde_py_line_of_unit(code, from) == sonde_py_line_of_unit(code, to);
}

static bool
is_armed_unit(const struct sonde_py_armed *armed, int unit)
{
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position == (uint32_t)unit) {
            return true;
        }
    }
    return false;
}

int
sonde_py_turns_events(const struct sonde_py_armed *armed)
{
    int events = 0;
    known.code = NULL;
    if (!sonde_py_has(SONDE_PY_PART_LINES)) {
        return 0;
    }
    PyObject *plain = sonde_py_code_plain(armed->code);
    if (plain == NULL) {
        sonde_py_clear_error();
        return 0;
    }
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(plain);
    int count = (int)(PyBytes_GET_SIZE(plain) / 2);
    unsigned prefix = 0;
    for (int i = 0; i < count && events == 0; i++) {
        unsigned arg = prefix << 8 | bytes[2 * i + 1];
        prefix = bytes[2 * i] == EXTENDED_ARG ? arg : 0;
        if (bytes[2 * i] != JUMP_BACKWARD) {
            continue;
        }
        /* It counts from the instruction behind it, whose caches are zero. */
        int next = i + 1;
        while (next < count && bytes[2 * next] == 0) {
            next++;
        }
        int to = next - (int)(arg & 0xFFFFFF);
        if (to >= 0 && is_armed_unit(armed, to) && is_turn(armed->code, i, to)) {
            events = SONDE_PY_EVENT_JUMP;
        }
    }
    Py_DECREF(plain);
    return events;
}

bool
sonde_py_turns_jump(PyCodeObject *code, int from, int to)
{
    if (known.code != code || known.from != from) {
        if (!is_turn(code, from, to)) {
            return false;
        }
        known.code = code;
        known.from = from;
    }
    jump.frame = sonde_py_frame_of(code);
    jump.code = code;
    jump.to = to;
    return true;
}

bool
sonde_py_turns_took(PyCodeObject *code, int unit)
{
    if (jump.code == NULL) {
        return false;
    }
    bool took =
        jump.code == code && jump.to == unit && jump.frame == sonde_py_frame_of(code);
    jump.code = NULL;
    return took;
}
