/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors. A function that can fail returns an int: SONDE_OK (0) or a negative SONDE_E_*.
 * A function that a person may have to answer for takes a `struct sonde_err *` as its last
 * parameter (NULL is allowed): a fixed, caller-owned buffer, no heap, no thread-local state.
 * The first error wins: setting an err that is already set changes nothing, so the message
 * nearest to the cause survives.
 *
 * Ctx: any thread, any lock, also with no memory left. */
#ifndef SONDE_ERR_H
#define SONDE_ERR_H

#include <stddef.h>

/* X(NAME, number, HTTP status, text). Numbers are pinned: they travel. */
#define SONDE_ERR_LIST(X)                            \
    X(OK, 0, 200, "ok")                              \
    X(E_NOMEM, -1, 503, "out of memory")             \
    X(E_INVAL, -2, 400, "invalid argument")          \
    X(E_NOTFOUND, -3, 404, "not found")              \
    X(E_EXISTS, -4, 409, "already exists")           \
    X(E_LIMIT, -5, 413, "over a limit")              \
    X(E_SYNTAX, -6, 400, "malformed input")          \
    X(E_IO, -7, 500, "input or output failed")       \
    X(E_BUSY, -8, 503, "busy")                       \
    X(E_CLOSED, -9, 503, "closed")                   \
    X(E_TIMEOUT, -10, 504, "timed out")              \
    X(E_DENIED, -11, 403, "not allowed")             \
    X(E_UNSUPPORTED, -12, 501, "not supported here") \
    X(E_VM, -13, 500, "the runtime refused")         \
    X(E_CORRUPT, -14, 500, "stored data is damaged") \
    X(E_BUG, -15, 500, "internal error")             \
    X(E_LATER, -16, 503, "not known yet")

enum sonde_code {
#define SONDE_ERR_ENUM(name, number, status, text) SONDE_##name = (number),
    SONDE_ERR_LIST(SONDE_ERR_ENUM)
#undef SONDE_ERR_ENUM
};

/* What failed and where. `where` names the place in the person's terms (a field, a file, a
 * URL), `message` is one line without a full stop. code == SONDE_OK means unset. */
struct sonde_err {
    int code;
    char where[64];
    char message[256];
};

#define SONDE_ERR_INIT \
    {                  \
        0              \
    }

#if defined(__GNUC__)
#    define SONDE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#    define SONDE_MUST_CHECK __attribute__((warn_unused_result))
#else
#    define SONDE_PRINTF(fmt, args)
#    define SONDE_MUST_CHECK
#endif

/* Sets `err` (NULL: does nothing) unless it is set, cutting long text at a code point.
 * `where` may be NULL. Returns `code`, so that `return sonde_err_set(...)` reads well. */
int sonde_err_set(struct sonde_err *err, int code, const char *where, const char *format,
                  ...) SONDE_PRINTF(4, 5);

/* Static text of a code ("out of memory"); never NULL. */
const char *sonde_code_text(int code);

/* Static lower-case name of a code ("e_nomem" without its prefix: "nomem"); never NULL. */
const char *sonde_code_name(int code);

/* The HTTP status that fits a code: 200, 4xx or 5xx. */
int sonde_code_http_status(int code);

#endif
