/* SPDX-License-Identifier: Apache-2.0 */
#include <sonde/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How many bytes the code point that `lead` opens should have; 1 for what opens none. */
static size_t
codepoint_bytes(unsigned char lead)
{
    if (lead >= 0xF0) {
        return 4;
    }
    if (lead >= 0xE0) {
        return 3;
    }
    return lead >= 0xC0 ? 2 : 1;
}

/* Drops a code point whose end was cut off: half of one would make the whole message
 * invalid UTF-8, and JSON and protobuf refuse that. */
static void
drop_partial_codepoint(char *text)
{
    size_t len = strlen(text);
    size_t start = len;
    while (start > 0 && len - start < 4) {
        start--;
        if (((unsigned char)text[start] & 0xC0) != 0x80) {
            break;
        }
    }
    if (start + codepoint_bytes((unsigned char)text[start]) > len) {
        text[start] = '\0';
    }
}

static void SONDE_PRINTF(3, 0)
    format_cut(char *out, size_t size, const char *format, va_list args)
{
    int wanted = vsnprintf(out, size, format, args);
    if (wanted < 0) {
        out[0] = '\0';
    } else if ((size_t)wanted >= size) {
        drop_partial_codepoint(out);
    }
}

static void SONDE_PRINTF(3, 4) print_cut(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    format_cut(out, size, format, args);
    va_end(args);
}

int
sonde_err_set(struct sonde_err *err, int code, const char *where, const char *format, ...)
{
    if (err == NULL || err->code != SONDE_OK) {
        return code;
    }
    err->code = code;
    print_cut(err->where, sizeof(err->where), "%s", where == NULL ? "" : where);
    va_list args;
    va_start(args, format);
    format_cut(err->message, sizeof(err->message), format, args);
    va_end(args);
    return code;
}

const char *
sonde_code_text(int code)
{
    switch (code) {
#define TEXT_CASE(name, number, status, text) \
    case number:                              \
        return text;
        SONDE_ERR_LIST(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "unknown error";
    }
}

/* Spelled out because the preprocessor can not lower a name's case; the switch is on the
 * enum so that the compiler names the code that is missing here. */
const char *
sonde_code_name(int code)
{
    switch ((enum sonde_code)code) {
    case SONDE_OK:
        return "ok";
    case SONDE_E_NOMEM:
        return "nomem";
    case SONDE_E_INVAL:
        return "inval";
    case SONDE_E_NOTFOUND:
        return "notfound";
    case SONDE_E_EXISTS:
        return "exists";
    case SONDE_E_LIMIT:
        return "limit";
    case SONDE_E_SYNTAX:
        return "syntax";
    case SONDE_E_IO:
        return "io";
    case SONDE_E_BUSY:
        return "busy";
    case SONDE_E_CLOSED:
        return "closed";
    case SONDE_E_TIMEOUT:
        return "timeout";
    case SONDE_E_DENIED:
        return "denied";
    case SONDE_E_UNSUPPORTED:
        return "unsupported";
    case SONDE_E_VM:
        return "vm";
    case SONDE_E_CORRUPT:
        return "corrupt";
    case SONDE_E_BUG:
        return "bug";
    case SONDE_E_LATER:
        return "later";
    }
    return "unknown";
}

int
sonde_code_http_status(int code)
{
    switch (code) {
#define STATUS_CASE(name, number, status, text) \
    case number:                                \
        return status;
        SONDE_ERR_LIST(STATUS_CASE)
#undef STATUS_CASE
    default:
        return 500;
    }
}
