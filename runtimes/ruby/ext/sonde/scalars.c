/* SPDX-License-Identifier: Apache-2.0 */
#include "scalars.h"

#include "compat/bigdecimal.h"
#include "state.h"
#include "text.h"
#include "times.h"

#include <stdio.h>

static void
write_text(struct sonde_tape *tape, struct sonde_str type, const char *text, size_t len)
{
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, text, len);
}

static size_t
bounded(int len, size_t size)
{
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

/* --- Integers ------------------------------------------------------------------------------- */

#define DECIMAL_BITS_MAX 1020 /* 308 decimal places */
#define DECIMAL_PLACES_MAX 320
#define HEX_PLACES_MAX 1024
#define WORDS_MAX (HEX_PLACES_MAX / 8)

/* Divides by 10^9 in place; returns the rest. */
static uint32_t
divide(uint32_t *words, size_t *count)
{
    uint64_t rest = 0;
    for (size_t i = *count; i-- > 0;) {
        uint64_t part = rest << 32 | words[i];
        words[i] = (uint32_t)(part / 1000000000);
        rest = part % 1000000000;
    }
    while (*count > 0 && words[*count - 1] == 0) {
        --*count;
    }
    return (uint32_t)rest;
}

static void
write_decimal(struct sonde_tape *tape, struct sonde_str type, uint32_t *words,
              size_t count, bool is_negative)
{
    char text[DECIMAL_PLACES_MAX + 16];
    size_t at = sizeof(text);
    while (count > 0) {
        uint32_t rest = divide(words, &count);
        for (int i = 0; i < 9 && (count > 0 || rest > 0); i++, rest /= 10) {
            text[--at] = (char)('0' + rest % 10);
        }
    }
    if (is_negative) {
        text[--at] = '-';
    }
    sonde_tape_number(tape, type, (struct sonde_str){text + at, sizeof(text) - at});
}

/* The first places of a number of `places`, whose highest are in `words`. */
static void
write_hex(struct sonde_tape *tape, struct sonde_str type, const unsigned char *bytes,
          size_t count, bool is_negative)
{
    char text[HEX_PLACES_MAX + 4];
    size_t at = 0;
    if (is_negative) {
        text[at++] = '-';
    }
    text[at++] = '0';
    text[at++] = 'x';
    for (size_t i = 0; i < count && at + 2 <= sizeof(text); i++) {
        if (i > 0 || bytes[i] > 15) {
            text[at++] = "0123456789abcdef"[bytes[i] >> 4];
        }
        text[at++] = "0123456789abcdef"[bytes[i] & 15];
    }
    sonde_tape_number(tape, type, (struct sonde_str){text, at});
}

void
sonde_rb_write_bignum(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    int spare_bits = 0;
    size_t bytes = rb_absint_size(value, &spare_bits);
    if (bytes * 8 - (size_t)spare_bits <= DECIMAL_BITS_MAX) {
        uint32_t words[DECIMAL_BITS_MAX / 32 + 1] = {0};
        size_t count = (bytes + 3) / 4;
        int sign =
            rb_integer_pack(value, words, count, sizeof(words[0]), 0,
                            INTEGER_PACK_LSWORD_FIRST | INTEGER_PACK_NATIVE_BYTE_ORDER);
        while (count > 0 && words[count - 1] == 0) {
            count--;
        }
        write_decimal(tape, type, words, count, sign < 0);
        return;
    }
    unsigned char digits[WORDS_MAX * 4];
    if (bytes > sizeof(digits)) {
        /* More than limits.length ever shows is not taken apart. */
        char text[64];
        int len = snprintf(text, sizeof(text), "(an integer of %zu bits)",
                           bytes * 8 - (size_t)spare_bits);
        write_text(tape, type, text, bounded(len, sizeof(text)));
        return;
    }
    int sign = rb_integer_pack(value, digits, bytes, 1, 0,
                               INTEGER_PACK_MSWORD_FIRST | INTEGER_PACK_MSBYTE_FIRST);
    write_hex(tape, type, digits, bytes, sign < 0);
}

/* --- Names ---------------------------------------------------------------------------------- */

static struct sonde_str
place_text(const struct sonde_rb_iseq *iseq, const char *end, char *buf)
{
    struct sonde_str file = sonde_rb_text(rb_iseq_path(iseq));
    char tail[64];
    int len =
        snprintf(tail, sizeof(tail), ":%ld%s>", sonde_rb_iseq_first_line(iseq), end);
    size_t at = sonde_rb_append(buf, 0, SONDE_STR("#<Proc "));
    /* A long path gives way to what follows it. */
    size_t room = SONDE_RB_NAME_BYTES - at - bounded(len, sizeof(tail));
    at = sonde_rb_append(buf, at,
                         (struct sonde_str){file.ptr, file.len < room ? file.len : room});
    at = sonde_rb_append(buf, at, (struct sonde_str){tail, bounded(len, sizeof(tail))});
    return (struct sonde_str){buf, at};
}

struct sonde_str
sonde_rb_block_text(const struct sonde_rb_iseq *iseq, bool is_lambda, char *buf)
{
    return place_text(iseq, is_lambda ? " (lambda)" : "", buf);
}

void
sonde_rb_write_module(struct sonde_tape *tape, struct sonde_str type, VALUE module)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_str text = sonde_rb_class_text(module);
    if (RB_TYPE_P(module, T_CLASS) && RB_FL_TEST_RAW(module, RUBY_FL_SINGLETON)) {
        VALUE of = sonde_rb_attached_object(module);
        bool is_of_module = RB_TYPE_P(of, T_CLASS) || RB_TYPE_P(of, T_MODULE);
        struct sonde_str name =
            sonde_rb_class_text(is_of_module ? of : sonde_rb_class_of(of));
        size_t at = sonde_rb_append(
            buf, 0, is_of_module ? SONDE_STR("#<Class:") : SONDE_STR("#<Class:#<"));
        at = sonde_rb_append(buf, at, name);
        at = sonde_rb_append(buf, at, is_of_module ? SONDE_STR(">") : SONDE_STR(">>"));
        text = (struct sonde_str){buf, at};
    }
    write_text(tape, type, text.ptr, text.len);
}

static void
write_address(struct sonde_tape *tape, struct sonde_str type, VALUE value,
              struct sonde_str remark)
{
    char buf[SONDE_RB_NAME_BYTES], address[40];
    int len = snprintf(address, sizeof(address), ":0x%016" PRIxPTR, (uintptr_t)value);
    struct sonde_str name = {type.ptr, type.len < 400 ? type.len : 400};
    size_t at = sonde_rb_append(buf, 0, SONDE_STR("#<"));
    at = sonde_rb_append(buf, at, name);
    at = sonde_rb_append(buf, at,
                         (struct sonde_str){address, bounded(len, sizeof(address))});
    at = sonde_rb_append(buf, at, remark);
    write_text(tape, type, buf, sonde_rb_append(buf, at, SONDE_STR(">")));
}

void
sonde_rb_write_opaque(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    write_address(tape, type, value, SONDE_STR(""));
}

void
sonde_rb_write_regexp(struct sonde_tape *tape, struct sonde_str type, VALUE regexp)
{
    char buf[SONDE_RB_NAME_BYTES];
    if (RREGEXP_PTR(regexp) == NULL || !RB_TYPE_P(RREGEXP_SRC(regexp), T_STRING)) {
        sonde_rb_write_opaque(tape, type, regexp); /* not initialized */
        return;
    }
    struct sonde_str source = sonde_rb_text(RREGEXP_SRC(regexp));
    OnigOptionType options = RREGEXP_PTR(regexp)->options;
    size_t at = sonde_rb_append(buf, 0, SONDE_STR("/"));
    if (source.len > SONDE_RB_NAME_BYTES - 8) {
        source.len = SONDE_RB_NAME_BYTES - 8;
    }
    at = sonde_rb_append(buf, at, source);
    at = sonde_rb_append(buf, at, SONDE_STR("/"));
    if (options & ONIG_OPTION_MULTILINE) {
        at = sonde_rb_append(buf, at, SONDE_STR("m"));
    }
    if (options & ONIG_OPTION_IGNORECASE) {
        at = sonde_rb_append(buf, at, SONDE_STR("i"));
    }
    if (options & ONIG_OPTION_EXTEND) {
        at = sonde_rb_append(buf, at, SONDE_STR("x"));
    }
    write_text(tape, type, buf, at);
}

void
sonde_rb_write_io(struct sonde_tape *tape, struct sonde_str type, VALUE io)
{
    char buf[SONDE_RB_NAME_BYTES], descriptor[32];
    struct sonde_rb_io file;
    if (!sonde_rb_io_of_object(io, &file)) {
        sonde_rb_write_opaque(tape, type, io); /* not initialized */
        return;
    }
    struct sonde_str name = sonde_rb_text(file.path);
    struct sonde_str state =
        file.descriptor < 0 ? SONDE_STR(" (closed)>") : SONDE_STR(">");
    if (name.len == 0) {
        int len = snprintf(descriptor, sizeof(descriptor), "fd %d", file.descriptor);
        name = (struct sonde_str){descriptor, bounded(len, sizeof(descriptor))};
    }
    size_t at = sonde_rb_append(buf, 0, SONDE_STR("#<"));
    at = sonde_rb_append(buf, at,
                         (struct sonde_str){type.ptr, type.len < 200 ? type.len : 200});
    at = sonde_rb_append(buf, at, SONDE_STR(":"));
    at = sonde_rb_append(buf, at,
                         (struct sonde_str){name.ptr, name.len < 280 ? name.len : 280});
    at = sonde_rb_append(buf, at, state);
    write_text(tape, type, buf, at);
}

/* --- Decimal numbers ------------------------------------------------------------------------- */

#define DECIMAL_DIGITS_MAX 56
#define DECIMAL_BYTES 1024  /* twice their places, with what stands around them */
#define PLAIN_PLACES_MAX 64 /* zeros are written out so far */

/* The places of the digits, without the zeros before them; *zeros of these there were. */
static size_t
decimal_places(const struct sonde_rb_bigdecimal *number, char *out, size_t *zeros)
{
    size_t len = 0;
    for (size_t i = 0; i < number->count; i++) {
        uint32_t digit = number->digits[i];
        for (size_t place = SONDE_RB_BIGDECIMAL_PLACES; place-- > 0; digit /= 10) {
            out[len + place] = (char)('0' + digit % 10);
        }
        len += SONDE_RB_BIGDECIMAL_PLACES;
    }
    while (len > 0 && out[len - 1] == '0') {
        len--;
    }
    *zeros = 0;
    while (*zeros < len && out[*zeros] == '0') {
        ++*zeros;
    }
    memmove(out, out + *zeros, len - *zeros);
    return len - *zeros;
}

static size_t
fill_zeros(char *out, size_t at, intptr_t count)
{
    for (intptr_t i = 0; i < count; i++) {
        out[at++] = '0';
    }
    return at;
}

/* "1234.5"; far from the point "0.12345e100", as BigDecimal#to_s has it. */
static size_t
decimal_text(const struct sonde_rb_bigdecimal *number, char *out)
{
    char places[DECIMAL_BYTES / 2];
    size_t zeros, at = 0, count = decimal_places(number, places, &zeros);
    intptr_t point = number->exponent * SONDE_RB_BIGDECIMAL_PLACES - (intptr_t)zeros;
    if (number->kind < 0) {
        out[at++] = '-';
    }
    if (point > PLAIN_PLACES_MAX || point < -PLAIN_PLACES_MAX) {
        return at + bounded(snprintf(out + at, DECIMAL_BYTES - at, "0.%.*se%" PRIdPTR,
                                     (int)count, places, point),
                            DECIMAL_BYTES - at);
    }
    size_t whole = point <= 0 ? 0 : (size_t)point < count ? (size_t)point : count;
    memcpy(out + at, places, whole);
    at = fill_zeros(out, at + whole, point <= 0 ? 1 : point - (intptr_t)whole);
    out[at++] = '.';
    at = fill_zeros(out, at, point < 0 ? -point : 0);
    memcpy(out + at, places + whole, count - whole);
    at += count - whole;
    return out[at - 1] == '.' ? fill_zeros(out, at, 1) : at;
}

static bool
try_write_decimal(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    char buf[DECIMAL_BYTES];
    const struct sonde_rb_bigdecimal *number = sonde_rb_bigdecimal_of(value);
    if (number == NULL || number->count > DECIMAL_DIGITS_MAX) {
        return false;
    }
    struct sonde_str text;
    switch (number->kind) {
    case 0:
        text = SONDE_STR("NaN");
        break;
    case 1:
    case -1:
        text = number->kind > 0 ? SONDE_STR("0.0") : SONDE_STR("-0.0");
        break;
    case 3:
    case -3:
        text = number->kind > 0 ? SONDE_STR("Infinity") : SONDE_STR("-Infinity");
        break;
    default:
        text = (struct sonde_str){buf, decimal_text(number, buf)};
    }
    sonde_tape_number(tape, type, text);
    return true;
}

/* --- Objects of CRuby's own ------------------------------------------------------------------ */

static bool
try_write_method(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_rb_method method;
    if (!sonde_rb_has(SONDE_RB_PART_VALUES) ||
        !sonde_rb_method_of_object(value, &method)) {
        return false;
    }
    struct sonde_str text = sonde_rb_method_text(SONDE_STR(""), method.owner,
                                                 sonde_rb_id_text(method.id), buf);
    write_text(tape, type, text.ptr, text.len);
    return true;
}

static bool
try_write_proc(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    char buf[SONDE_RB_NAME_BYTES];
    int is_proc = 1;
    const struct sonde_rb_iseq *iseq =
        sonde_rb_has(SONDE_RB_PART_LOCALS) ? rb_proc_get_iseq(value, &is_proc) : NULL;
    if (iseq == NULL) {
        return false;
    }
    struct sonde_str text = sonde_rb_block_text(iseq, !is_proc, buf);
    write_text(tape, type, text.ptr, text.len);
    return true;
}

bool
sonde_rb_try_write_data(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    if (!RTYPEDDATA_P(value) || sonde_rb_data(value) == NULL) {
        return false;
    }
    /* The kinds that are CRuby's own, by names that are theirs. A class of the application's may
     * derive from any of these, and a library could take one of the names for a kind of its own. */
    const char *kind = RTYPEDDATA_TYPE(value)->wrap_struct_name;
    if (strcmp(kind, "BigDecimal") == 0) {
        return try_write_decimal(tape, type, value);
    }
    if (strcmp(kind, "time") == 0) {
        return sonde_rb_try_write_time(tape, type, value);
    }
    if (strcmp(kind, "Date") == 0) {
        return sonde_rb_try_write_date(tape, type, value);
    }
    if (strcmp(kind, "proc") == 0 && RTEST(rb_obj_is_proc(value))) {
        return try_write_proc(tape, type, value);
    }
    if (strcmp(kind, "method") == 0 && RTEST(rb_obj_is_method(value))) {
        return try_write_method(tape, type, value);
    }
    if (strcmp(kind, "mutex") == 0 &&
        sonde_rb_descends_from(sonde_rb_class_of(value), SONDE_STR("Thread::Mutex"))) {
        write_address(tape, type, value,
                      RTEST(rb_mutex_locked_p(value)) ? SONDE_STR(" (locked)")
                                                      : SONDE_STR(""));
        return true;
    }
    if (strcmp(kind, "encoding") == 0 && RTEST(rb_obj_is_kind_of(value, rb_cEncoding))) {
        struct sonde_str name =
            sonde_str_from(((const rb_encoding *)sonde_rb_data(value))->name);
        sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, name.ptr, name.len);
        return true;
    }
    return false;
}
