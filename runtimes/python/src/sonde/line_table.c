/* SPDX-License-Identifier: Apache-2.0 */
#include "line_table.h"

#if SONDE_PY_LINE_TABLE >= 311

/* Objects/locations.md */
enum { LOC_NO_COLUMNS = 13, LOC_LONG = 14, LOC_NONE = 15, LOC_ONE_LINE = 10 };

void
sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code)
{
    cursor->at = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    cursor->end = cursor->at + PyBytes_GET_SIZE(code->co_linetable);
    cursor->base = code->co_firstlineno;
    cursor->start = cursor->stop = cursor->count = 0;
    cursor->line = SONDE_PY_NO_LINE;
}

/* Six bits a byte, lowest first; the sign is the lowest bit of all. */
static int
read_signed(const uint8_t *at, const uint8_t *end)
{
    unsigned value = 0;
    for (unsigned shift = 0; at < end && shift < 30; shift += 6) {
        value |= (unsigned)(*at & 63) << shift;
        if (!(*at++ & 64)) {
            break;
        }
    }
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

bool
sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor)
{
    if (cursor->at >= cursor->end) {
        return false;
    }
    unsigned code = *cursor->at >> 3 & 15;
    cursor->start = cursor->stop;
    cursor->stop += (*cursor->at & 7) + 1;
    cursor->at++;
    if (code == LOC_LONG || code == LOC_NO_COLUMNS) {
        cursor->base += read_signed(cursor->at, cursor->end);
    } else if (code >= LOC_ONE_LINE && code < LOC_NO_COLUMNS) {
        cursor->base += (int)code - LOC_ONE_LINE;
    }
    cursor->line = code == LOC_NONE ? SONDE_PY_NO_LINE : cursor->base;
    while (cursor->at < cursor->end &&
           !(*cursor->at & 128)) { /* an entry's first byte has it */
        cursor->at++;
    }
    return true;
}

#elif SONDE_PY_LINE_TABLE >= 310

/* Objects/lnotab_notes.txt of 3.10: pairs of bytes, how far an entry goes and by how much its
 * line differs from the one before, of which -128 says that there is none. */
enum { DELTA_NONE = -128 };

void
sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code)
{
    cursor->at = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    cursor->end = cursor->at + PyBytes_GET_SIZE(code->co_linetable);
    cursor->base = code->co_firstlineno;
    cursor->start = cursor->stop = cursor->count = 0;
    cursor->line = SONDE_PY_NO_LINE;
}

bool
sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor)
{
    while (cursor->end - cursor->at >= 2) {
        int bytes = cursor->at[0], delta = (int8_t)cursor->at[1];
        cursor->at += 2;
        cursor->base += delta == DELTA_NONE ? 0 : delta;
        cursor->line = delta == DELTA_NONE ? SONDE_PY_NO_LINE : cursor->base;
        cursor->start = cursor->stop;
        cursor->stop += bytes / 2;
        if (bytes > 0) { /* the others only add to the line */
            return true;
        }
    }
    return false;
}

#else

/* Objects/lnotab_notes.txt of 3.9: pairs of bytes, steps of the offset and then of the line;
 * the last line goes on to the end of the code. */
void
sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code)
{
    cursor->at = (const uint8_t *)PyBytes_AS_STRING(code->co_lnotab);
    cursor->end = cursor->at + PyBytes_GET_SIZE(code->co_lnotab);
    cursor->base = code->co_firstlineno;
    cursor->start = cursor->stop = 0;
    cursor->count = (int)(PyBytes_GET_SIZE(code->co_code) / 2);
    cursor->line = SONDE_PY_NO_LINE;
}

bool
sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor)
{
    cursor->start = cursor->stop;
    cursor->line = cursor->base;
    while (cursor->end - cursor->at >= 2) {
        int bytes = cursor->at[0];
        cursor->line = cursor->base;
        cursor->base += (int8_t)cursor->at[1];
        cursor->at += 2;
        cursor->stop += bytes / 2;
        if (bytes > 0) {
            return true;
        }
        cursor->line = cursor->base;
    }
    cursor->stop = cursor->count;
    return cursor->start < cursor->stop;
}

#endif

int
sonde_py_line_of_unit(PyCodeObject *code, int unit)
{
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (unit < cursor.stop) {
            return cursor.line;
        }
    }
    return SONDE_PY_NO_LINE;
}

bool
sonde_py_code_has_line(PyCodeObject *code, int line)
{
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (cursor.line == line) {
            return true;
        }
    }
    return false;
}
