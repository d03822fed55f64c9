/* SPDX-License-Identifier: Apache-2.0
 *
 * The two streams. Results are gathered in a sonde_buf and written whole; whatever is said to
 * the person goes to standard error as one line, with control characters escaped, since
 * much of it comes from outside. */
#ifndef SONDE_CONSOLE_H
#define SONDE_CONSOLE_H

#include "core/base/buf.h"
#include <sonde/err.h>
#include <stdarg.h>

/* "sonde: text" on standard error. */
void sonde_console_say(const char *format, ...) SONDE_PRINTF(1, 2);

/* Writes `out` to standard output. SONDE_E_CLOSED: nobody reads it any more, which is no
 * error (`sonde snapshots | head`); SONDE_E_NOMEM (out->failed), SONDE_E_IO: said. */
int sonde_console_write(const struct sonde_buf *out);

/* The same as a command's last act: its exit status. */
int sonde_console_finish(const struct sonde_buf *out);

/* False once the reader of standard output has gone. */
bool sonde_console_has_reader(void);

/* Like sonde_buf_printf, for a va_list. */
void sonde_console_format(struct sonde_buf *out, const char *format, va_list args)
    SONDE_PRINTF(2, 0);

#endif
