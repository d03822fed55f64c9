/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pen.h"

#include "cli/console.h"
#include "core/wire/utf8.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100
#define WIDTH_LEAST 40
#define WIDTH_MOST 400

struct range {
    uint32_t first, last;
};

/* Controls that are no C0: they move, hide or reorder what a person reads. */
static const struct range UNSAFE[] = {
    {0x7F, 0x9F},     {0xAD, 0xAD},       {0x61C, 0x61C},   {0x180E, 0x180E},
    {0x200B, 0x200F}, {0x2028, 0x202E},   {0x2060, 0x206F}, {0xFEFF, 0xFEFF},
    {0xFFF0, 0xFFFB}, {0xE0000, 0xE0FFF},
};

static const struct range COMBINING[] = {
    {0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},
    {0x64B, 0x65F},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
};

static const struct range WIDE[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};

#define IS_IN(table, code_point) \
    is_in((table), sizeof(table) / sizeof((table)[0]), (code_point))

static bool
is_in(const struct range *table, size_t count, uint32_t code_point)
{
    for (size_t i = 0; i < count && code_point >= table[i].first; i++) {
        if (code_point <= table[i].last) {
            return true;
        }
    }
    return false;
}

static size_t
columns_of(uint32_t code_point)
{
    if (code_point < 0x300) {
        return 1;
    }
    if (IS_IN(COMBINING, code_point)) {
        return 0;
    }
    return IS_IN(WIDE, code_point) ? 2 : 1;
}

/* The character at `text`; returns its bytes, 0 when they are no UTF-8. */
static size_t
decode(struct sonde_str text, uint32_t *code_point)
{
    unsigned char lead = (unsigned char)text.ptr[0];
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (bytes > text.len ||
        sonde_utf8_valid_bytes((struct sonde_str){text.ptr, bytes}) != bytes) {
        return 0;
    }
    uint32_t value = lead & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        value = value << 6 | ((unsigned char)text.ptr[i] & 0x3Fu);
    }
    *code_point = value;
    return bytes;
}

static void
escape_code_point(struct sonde_buf *out, uint32_t code_point)
{
    switch (code_point) {
    case '\n':
        sonde_buf_str(out, SONDE_STR("\\n"));
        return;
    case '\r':
        sonde_buf_str(out, SONDE_STR("\\r"));
        return;
    case '\t':
        sonde_buf_str(out, SONDE_STR("\\t"));
        return;
    default:
        break;
    }
    if (code_point < 0x80) {
        sonde_buf_printf(out, "\\x%02x", (unsigned)code_point);
    } else if (code_point < 0x10000) {
        sonde_buf_printf(out, "\\u%04x", (unsigned)code_point);
    } else {
        sonde_buf_printf(out, "\\U%08x", (unsigned)code_point);
    }
}

size_t
sonde_escape(struct sonde_buf *out, struct sonde_str text, enum sonde_escape how)
{
    size_t columns = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t code_point = 0;
        size_t bytes =
            decode((struct sonde_str){text.ptr + at, text.len - at}, &code_point);
        size_t before = out->len;
        if (bytes == 0) {
            sonde_buf_printf(out, "\\x%02x", (unsigned char)text.ptr[at]);
            bytes = 1;
        } else if (code_point < 0x20 || IS_IN(UNSAFE, code_point)) {
            escape_code_point(out, code_point);
        } else if ((code_point == '"' && how != SONDE_ESCAPE_BARE) ||
                   (code_point == '\\' && how == SONDE_ESCAPE_QUOTED)) {
            sonde_buf_byte(out, '\\');
            sonde_buf_byte(out, (char)code_point);
        } else {
            sonde_buf_append(out, text.ptr + at, bytes);
            columns += columns_of(code_point);
            before = out->len;
        }
        columns += out->len - before; /* escapes are ASCII */
        at += bytes;
    }
    return columns;
}

static void
json_code_point(struct sonde_buf *out, uint32_t code_point)
{
    if (code_point < 0x10000) {
        sonde_buf_printf(out, "\\u%04x", (unsigned)code_point);
        return;
    }
    uint32_t rest = code_point - 0x10000;
    sonde_buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xD800 + (rest >> 10)),
                     (unsigned)(0xDC00 + (rest & 0x3FF)));
}

void
sonde_json_line(struct sonde_buf *out, struct sonde_str json)
{
    bool is_in_string = false;
    for (size_t at = 0; at < json.len;) {
        char c = json.ptr[at];
        if (!is_in_string) {
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                sonde_buf_byte(out, c);
            }
            is_in_string = c == '"';
            at++;
            continue;
        }
        uint32_t code_point = 0;
        size_t bytes =
            decode((struct sonde_str){json.ptr + at, json.len - at}, &code_point);
        if (c == '\\' && at + 1 < json.len) {
            sonde_buf_append(out, json.ptr + at, 2);
            bytes = 2;
        } else if (bytes == 0) {
            sonde_buf_str(out, SONDE_UTF8_REPLACEMENT);
            bytes = 1;
        } else if (IS_IN(UNSAFE, code_point)) {
            json_code_point(out, code_point);
        } else {
            sonde_buf_append(out, json.ptr + at, bytes);
            is_in_string = c != '"';
        }
        at += bytes;
    }
}

static size_t
terminal_width(bool is_terminal)
{
    struct winsize size = {0};
    if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= WIDTH_LEAST) {
        return size.ws_col;
    }
    const char *columns = getenv("COLUMNS");
    long wanted = columns == NULL ? 0 : strtol(columns, NULL, 10);
    return wanted >= WIDTH_LEAST && wanted <= WIDTH_MOST ? (size_t)wanted : WIDTH_DEFAULT;
}

void
sonde_pen_init(struct sonde_pen *pen, struct sonde_buf *out)
{
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    *pen = (struct sonde_pen){
        .out = out,
        .has_colour = is_terminal && (no_color == NULL || no_color[0] == '\0') &&
                      (term == NULL || strcmp(term, "dumb") != 0),
        .width = terminal_width(is_terminal),
    };
}

/* Written only where the tone changes: runs of one tone carry one code. */
static void
set_tone(struct sonde_pen *pen, enum sonde_tone tone)
{
    static const char *const CODES[] = {
        [SONDE_TONE_PLAIN] = "",        [SONDE_TONE_DIM] = "\x1b[2m",
        [SONDE_TONE_BOLD] = "\x1b[1m",  [SONDE_TONE_PLACE] = "\x1b[36m",
        [SONDE_TONE_GOOD] = "\x1b[32m", [SONDE_TONE_WARN] = "\x1b[33m",
        [SONDE_TONE_BAD] = "\x1b[31m",
    };
    if (!pen->has_colour || pen->tone == tone) {
        return;
    }
    if (pen->tone != SONDE_TONE_PLAIN) {
        sonde_buf_str(pen->out, SONDE_STR("\x1b[0m"));
    }
    sonde_buf_str(pen->out, sonde_str_from(CODES[tone]));
    pen->tone = tone;
}

void
sonde_pen_put(struct sonde_pen *pen, enum sonde_tone tone, const char *text)
{
    sonde_pen_text(pen, tone, sonde_str_from(text));
}

void
sonde_pen_printf(struct sonde_pen *pen, enum sonde_tone tone, const char *format, ...)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    va_list args;
    va_start(args, format);
    sonde_console_format(&text, format, args);
    va_end(args);
    if (text.failed != SONDE_OK) {
        pen->out->failed = text.failed;
    }
    sonde_pen_text(pen, tone, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

void
sonde_pen_text(struct sonde_pen *pen, enum sonde_tone tone, struct sonde_str text)
{
    if (text.len > 0) {
        set_tone(pen, tone);
        pen->column += sonde_escape(pen->out, text, SONDE_ESCAPE_BARE);
    }
}

void
sonde_pen_quoted(struct sonde_pen *pen, enum sonde_tone tone, struct sonde_str text,
                 enum sonde_escape how)
{
    set_tone(pen, tone);
    sonde_buf_byte(pen->out, '"');
    pen->column += sonde_escape(pen->out, text, how) + 2;
    sonde_buf_byte(pen->out, '"');
}

void
sonde_pen_end(struct sonde_pen *pen)
{
    set_tone(pen, SONDE_TONE_PLAIN);
    sonde_buf_byte(pen->out, '\n');
    pen->column = 0;
}

void
sonde_pen_indent(struct sonde_pen *pen, size_t columns)
{
    set_tone(pen, SONDE_TONE_PLAIN);
    sonde_buf_printf(pen->out, "%*s", (int)columns, "");
    pen->column += columns;
}

struct sonde_pen_mark
sonde_pen_mark(const struct sonde_pen *pen)
{
    return (struct sonde_pen_mark){pen->out->len, pen->column, pen->tone};
}

void
sonde_pen_undo(struct sonde_pen *pen, struct sonde_pen_mark mark)
{
    pen->out->len = mark.len;
    pen->column = mark.column;
    pen->tone = mark.tone;
}
