/* SPDX-License-Identifier: Apache-2.0 */
#include "protect.h"

#include "compat/hold.h"

#include <stdio.h>
#include <string.h>

/* VM lock. */
static struct {
    unsigned long count, fail_at;
    bool goes_on;
    char reason[256];
} protect;

static VALUE
fail(VALUE unused)
{
    (void)unused;
    rb_raise(rb_eRuntimeError, "a test makes this call fail");
    return Qnil;
}

static bool
must_fail(void)
{
    unsigned long number = ++protect.count;
    return protect.fail_at != 0 &&
           (number == protect.fail_at || (protect.goes_on && number > protect.fail_at));
}

static bool
is_object(VALUE value)
{
    return !SPECIAL_CONST_P(value) && BUILTIN_TYPE(value) != T_IMEMO;
}

/* The message where Exception keeps it; exceptions of the application may have another `message`,
 * which is not asked. */
static void
note_reason(VALUE error)
{
    protect.reason[0] = '\0';
    if (!is_object(error)) {
        return; /* a throw or a kill */
    }
    VALUE message = rb_attr_get(error, rb_intern("mesg"));
    if (!SPECIAL_CONST_P(message) && BUILTIN_TYPE(message) == T_STRING) {
        long len = RSTRING_LEN(message);
        snprintf(protect.reason, sizeof(protect.reason), "%.*s",
                 len < 255 ? (int)len : 255, RSTRING_PTR(message));
    }
}

int
sonde_rb_protect(VALUE (*body)(VALUE), VALUE arg, VALUE *result)
{
    int state = 0;
    VALUE before = rb_errinfo();
    uint32_t held = sonde_rb_hold();
    VALUE found = rb_protect(must_fail() ? fail : body, arg, &state);
    sonde_rb_release(held);
    if (state != 0) {
        note_reason(rb_errinfo());
        /* A throw under way can not be put back by this road, and needs not: the VM keeps it
         * itself wherever it calls out in the middle of one. */
        rb_set_errinfo(is_object(before) ? before : Qnil);
    } else if (result != NULL) {
        *result = found;
    }
    RB_GC_GUARD(before);
    return state;
}

void
sonde_rb_protect_reason(char *out, size_t size)
{
    snprintf(out, size, "%s", protect.reason);
}

void
sonde_rb_protect_testonly_fail(unsigned long nth, bool goes_on)
{
    protect.count = 0;
    protect.fail_at = nth;
    protect.goes_on = goes_on;
}

unsigned long
sonde_rb_protect_testonly_count(void)
{
    return protect.count;
}
