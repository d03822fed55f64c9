/* SPDX-License-Identifier: Apache-2.0
 *
 * What lib/sonde says and asks: whose code the files are, and whether all is sent. */
#include "symbols.h"

#include "core/base/clock.h"
#include "protect.h"
#include "state.h"
#include "symbols_cursor.h"
#include "text.h"

#include <ruby/thread.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_NS (50 * SONDE_NS_PER_MS)

struct sonde_origins *sonde_rb_symbol_origins, *sonde_rb_symbol_users;

static struct {
    char *given,
        *real; /* the program as it was started, and where it is; NULL: the same */
    uint32_t gem_paths; /* a hash of those that are known */
} places;

/* --- Whose code ----------------------------------------------------------------------------------- */

static void
add_origin(struct sonde_origins **origins, struct sonde_str dir, enum sonde_origin origin)
{
    if (*origins == NULL && sonde_origins_new(origins) != SONDE_OK) {
        return;
    }
    sonde_origins_add(*origins, dir, origin);
}

/* RubyGems' own variables, without asking it: they change when Bundler sets an application up. */
static VALUE
gem_paths(void)
{
    VALUE gem = sonde_rb_own_constant(rb_cObject, rb_intern("Gem"));
    VALUE paths = gem != Qundef && RB_TYPE_P(gem, T_MODULE)
                      ? rb_attr_get(gem, rb_intern("@paths"))
                      : Qnil;
    VALUE list =
        RB_TYPE_P(paths, T_OBJECT) ? rb_attr_get(paths, rb_intern("@path")) : Qnil;
    return RB_TYPE_P(list, T_ARRAY) ? list : Qnil;
}

void
sonde_rb_symbols_look_at_gems(void)
{
    static const char *const folders[] = {"gems", "bundler/gems", "extensions"};
    VALUE list = gem_paths();
    uint32_t hash = 1;
    for (long i = 0; !NIL_P(list) && i < RARRAY_LEN(list); i++) {
        hash = hash * 31 + sonde_rb_symbols_hash(sonde_rb_text(RARRAY_AREF(list, i)));
    }
    if (NIL_P(list) || hash == places.gem_paths) {
        return;
    }
    places.gem_paths = hash;
    for (long i = 0; i < RARRAY_LEN(list); i++) {
        struct sonde_str path = sonde_rb_text(RARRAY_AREF(list, i));
        char dir[4096];
        for (size_t k = 0; k < sizeof(folders) / sizeof(folders[0]); k++) {
            int len = snprintf(dir, sizeof(dir), "%.*s/%s", (int)path.len, path.ptr,
                               folders[k]);
            if (len > 0 && (size_t)len < sizeof(dir)) {
                add_origin(&sonde_rb_symbol_origins, (struct sonde_str){dir, (size_t)len},
                           SONDE_ORIGIN_LIBRARY);
            }
        }
    }
}

static VALUE
add_symbol_origin(VALUE self, VALUE dir, VALUE kind)
{
    (void)self;
    struct sonde_str path = sonde_rb_text(dir), text = sonde_rb_text(kind);
    if (sonde_str_eq(text, SONDE_STR("user"))) {
        /* What a person says counts whatever lies nearer; all else is no one's here. */
        add_origin(&sonde_rb_symbol_users, SONDE_STR("/"), SONDE_ORIGIN_LIBRARY);
        add_origin(&sonde_rb_symbol_users, path, SONDE_ORIGIN_USER);
    } else {
        add_origin(&sonde_rb_symbol_origins, path,
                   sonde_str_eq(text, SONDE_STR("standard")) ? SONDE_ORIGIN_STANDARD
                                                             : SONDE_ORIGIN_LIBRARY);
    }
    return Qnil;
}

static char *
copy_of(VALUE text)
{
    struct sonde_str from = sonde_rb_text(text);
    char *copy = malloc(from.len + 1);
    if (copy != NULL) {
        memcpy(copy, from.ptr, from.len);
        copy[from.len] = '\0';
    }
    return copy;
}

static VALUE
name_program(VALUE self, VALUE given, VALUE real)
{
    (void)self;
    free(places.given);
    free(places.real);
    places.given = copy_of(given);
    places.real = copy_of(real);
    return Qnil;
}

void
sonde_rb_symbols_place_program(void)
{
    if (places.given != NULL && places.real != NULL) {
        sonde_rb_symbols_same_file(sonde_str_from(places.given),
                                   sonde_str_from(places.real));
    }
}

/* --- Waiting -------------------------------------------------------------------------------------- */

struct wait {
    int64_t until_ns;
    int result;
};

static void *
wait_a_while(void *arg)
{
    struct wait *wait = arg;
    int64_t left_ns = wait->until_ns - sonde_clock_mono_ns();
    int64_t while_ns = left_ns < WAIT_NS ? left_ns : WAIT_NS;
    wait->result = sonde_agent_symbols_wait(sonde_rb.agent, while_ns > 0 ? while_ns : 0);
    return NULL;
}

/* In small steps: between them the thread is interrupted as others are. */
static VALUE
wait_for_symbols(VALUE self, VALUE timeout_s)
{
    (void)self;
    double seconds = NUM2DBL(timeout_s);
    if (!(seconds >= 0)) {
        rb_raise(rb_eArgError, "a timeout is a number of seconds, not below 0");
    }
    seconds = seconds < 1e9 ? seconds : 1e9;
    struct wait wait = {sonde_clock_mono_ns() +
                            (int64_t)(seconds * (double)SONDE_NS_PER_S),
                        SONDE_E_TIMEOUT};
    do {
        if (!sonde_rb_is_running()) {
            return Qfalse;
        }
        sonde_rb_look_for_fork();
        rb_thread_call_without_gvl(wait_a_while, &wait, NULL, NULL);
        rb_thread_check_ints();
    } while (wait.result == SONDE_E_TIMEOUT && sonde_clock_mono_ns() < wait.until_ns);
    return wait.result == SONDE_OK ? Qtrue : Qfalse;
}

/* --- For tests ------------------------------------------------------------------------------------ */

static VALUE
symbols_testonly(VALUE self, VALUE is_whole)
{
    (void)self;
    size_t size = (size_t)16 << 20;
    for (;;) {
        VALUE text = rb_utf8_str_new(NULL, (long)size);
        size_t needed = sonde_agent_testonly_symbols(sonde_rb.agent, RTEST(is_whole),
                                                     RSTRING_PTR(text), size);
        if (needed < size) {
            rb_str_set_len(text, (long)needed);
            return text;
        }
        size = needed + needed / 8 + 1;
    }
}

unsigned sonde_rb_symbols_testonly_steps;
static VALUE pause_block = Qnil;

static VALUE
call(VALUE block)
{
    return rb_funcall(block, rb_intern("call"), 0);
}

void
sonde_rb_symbols_testonly_pause(void)
{
    if (!NIL_P(pause_block)) {
        sonde_rb_protect(call, pause_block, NULL);
    }
}

static VALUE
pause_testonly(VALUE self, VALUE steps, VALUE block)
{
    (void)self;
    static bool is_rooted;
    if (!is_rooted) {
        rb_gc_register_address(&pause_block);
        is_rooted = true;
    }
    sonde_rb_symbols_testonly_steps = NUM2UINT(steps);
    pause_block = block;
    return Qnil;
}

static VALUE
longest_slice_testonly(VALUE self)
{
    (void)self;
    return LL2NUM(sonde_rb_symbols_testonly_longest_ns());
}

static VALUE
have_changed_testonly(VALUE self)
{
    (void)self;
    return sonde_rb_symbols_have_changed(NULL) ? Qtrue : Qfalse;
}

static VALUE
watch_testonly(VALUE self, VALUE on)
{
    (void)self;
    sonde_rb_symbols_watch(NULL, RTEST(on));
    return Qnil;
}

void
sonde_rb_symbols_init(VALUE module)
{
    rb_define_singleton_method(module, "add_symbol_origin", add_symbol_origin, 2);
    rb_define_singleton_method(module, "name_program", name_program, 2);
    rb_define_singleton_method(module, "wait_for_symbols", wait_for_symbols, 1);
    rb_define_singleton_method(module, "symbols_testonly", symbols_testonly, 1);
    rb_define_singleton_method(module, "symbols_changed_testonly", have_changed_testonly,
                               0);
    rb_define_singleton_method(module, "longest_symbols_slice_testonly",
                               longest_slice_testonly, 0);
    rb_define_singleton_method(module, "pause_symbols_testonly", pause_testonly, 2);
    rb_define_singleton_method(module, "watch_symbols_testonly", watch_testonly, 1);
}
