/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/console.h"

#include "cli/cli.h"
#include "cli/pen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

void
sonde_console_format(struct sonde_buf *out, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int wanted = vsnprintf(NULL, 0, format, args);
    char *room = wanted < 0 ? NULL : sonde_buf_reserve(out, (size_t)wanted + 1);
    if (room != NULL) {
        vsnprintf(room, (size_t)wanted + 1, format, again);
        out->len += (size_t)wanted;
    }
    va_end(again);
}

/* Everything, or the errno that stopped it. */
static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done >= 0) {
            data += done;
            len -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void
sonde_console_say(const char *format, ...)
{
    struct sonde_buf text;
    struct sonde_buf line;
    sonde_buf_init(&text, 0);
    sonde_buf_init(&line, 0);
    va_list args;
    va_start(args, format);
    sonde_console_format(&text, format, args);
    va_end(args);
    sonde_buf_str(&line, SONDE_STR("sonde: "));
    sonde_escape(&line, sonde_buf_view(&text), SONDE_ESCAPE_BARE);
    sonde_buf_byte(&line, '\n');
    if (text.failed == SONDE_OK && line.failed == SONDE_OK) {
        write_all(STDERR_FILENO, line.data, line.len);
    } else {
        struct sonde_str oom = SONDE_STR("sonde: out of memory\n");
        write_all(STDERR_FILENO, oom.ptr, oom.len);
    }
    sonde_buf_fini(&text);
    sonde_buf_fini(&line);
}

int
sonde_console_write(const struct sonde_buf *out)
{
    if (out->failed != SONDE_OK) {
        sonde_console_say("%s", sonde_code_text(out->failed));
        return out->failed;
    }
    int failure = write_all(STDOUT_FILENO, out->data, out->len);
    if (failure == 0) {
        return SONDE_OK;
    }
    if (failure == EPIPE) {
        return SONDE_E_CLOSED;
    }
    char reason[128] = "";
    const char *text = strerror_r(failure, reason, sizeof(reason));
    sonde_console_say("can not write the result: %s", text);
    return SONDE_E_IO;
}

int
sonde_console_finish(const struct sonde_buf *out)
{
    int code = sonde_console_write(out);
    return code == SONDE_OK || code == SONDE_E_CLOSED ? SONDE_EXIT_DONE
                                                      : SONDE_EXIT_REFUSED;
}

bool
sonde_console_has_reader(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) <= 0 || (out.revents & (POLLERR | POLLNVAL)) == 0;
}
