/* SPDX-License-Identifier: Apache-2.0 */
#include "methods.h"

#include "text.h"

#define ANCESTORS_MOST 1000

/* Ruby's own, as UnboundMethods: an application may have redefined them for a class of its own. */
static struct {
    VALUE instance_method, super_method, public_names, private_names;
    ID bind_call;
} ruby = {Qnil, Qnil, Qnil, Qnil, 0};

static VALUE
own(VALUE class, const char *name)
{
    return rb_funcall(class, rb_intern("instance_method"), 1, ID2SYM(rb_intern(name)));
}

void
sonde_rb_methods_init(void)
{
    if (ruby.bind_call != 0) {
        return;
    }
    VALUE *const roots[] = {&ruby.instance_method, &ruby.super_method, &ruby.public_names,
                            &ruby.private_names};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        rb_gc_register_address(roots[i]);
    }
    ruby.instance_method = own(rb_cModule, "instance_method");
    ruby.super_method = own(rb_path2class("UnboundMethod"), "super_method");
    ruby.public_names = own(rb_cModule, "instance_methods");
    ruby.private_names = own(rb_cModule, "private_instance_methods");
    ruby.bind_call = rb_intern("bind_call");
}

/* --- Names ----------------------------------------------------------------------------------- */

/* "A::B": each part may be the name of a constant. */
static bool
is_path(struct sonde_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        bool begins = i == 0 || path.ptr[i - 1] == ':';
        if (begins && c != ':' && !(c >= 'A' && c <= 'Z') && (unsigned char)c < 0x80) {
            return false;
        }
    }
    return path.len > 0;
}

bool
sonde_rb_method_name_read(struct sonde_rb_method_name *name, struct sonde_str text)
{
    if (text.len > 2 && memcmp(text.ptr, "::", 2) == 0) {
        text.ptr += 2;
        text.len -= 2;
    }
    size_t split = 0;
    while (split < text.len && text.ptr[split] != '#' && text.ptr[split] != '.') {
        split++;
    }
    if (split + 1 >= text.len || !is_path((struct sonde_str){text.ptr, split})) {
        return false;
    }
    *name = (struct sonde_rb_method_name){
        .path = {text.ptr, split},
        .method = {text.ptr + split + 1, text.len - split - 1},
        .is_singleton = text.ptr[split] == '.',
    };
    return true;
}

/* 0: nobody ever used that name. */
static ID
id_of(struct sonde_str name)
{
    return name.len > 0 ? rb_check_id_cstr(name.ptr, (long)name.len, rb_utf8_encoding())
                        : 0;
}

static bool
is_module(VALUE object)
{
    return RB_TYPE_P(object, T_CLASS) || RB_TYPE_P(object, T_MODULE);
}

/* What the constant has; Qundef: it is not there. */
static VALUE
constant_of(struct sonde_str path)
{
    VALUE value = rb_cObject;
    while (path.len > 0) {
        size_t end = 0;
        while (end < path.len && path.ptr[end] != ':') {
            end++;
        }
        ID id = id_of((struct sonde_str){path.ptr, end});
        size_t next = end == path.len ? end : end + 2;
        if (id == 0 || !rb_is_const_id(id) || !is_module(value) || next > path.len ||
            (next < path.len && path.ptr[end + 1] != ':') ||
            (next > end && next == path.len)) {
            return Qundef;
        }
        value = sonde_rb_own_constant(value, id);
        if (value == Qundef) {
            return Qundef;
        }
        path.ptr += next;
        path.len -= next;
    }
    return value;
}

/* --- Methods --------------------------------------------------------------------------------- */

/* The method that stands in `place` itself, or that of the nearest ancestor. A module that is
 * prepended comes first, and the class's own behind it. Qnil: none. */
static VALUE
method_in(VALUE place, ID id, bool *is_own)
{
    *is_own = false;
    if (!rb_method_boundp(place, id, 0)) {
        return Qnil;
    }
    VALUE first = rb_funcall(ruby.instance_method, ruby.bind_call, 2, place, ID2SYM(id));
    VALUE method = first;
    for (int i = 0; i < ANCESTORS_MOST && !NIL_P(method); i++) {
        struct sonde_rb_method fact;
        if (sonde_rb_method_of_object(method, &fact) && fact.owner == place) {
            *is_own = true;
            return method;
        }
        method = rb_funcall(ruby.super_method, ruby.bind_call, 1, method);
    }
    return first;
}

enum sonde_rb_named
sonde_rb_method_look_up(const struct sonde_rb_method_name *name,
                        struct sonde_rb_found_method *out)
{
    *out = (struct sonde_rb_found_method){.wrapper = Qnil};
    VALUE holder = constant_of(name->path);
    if (holder == Qundef) {
        return SONDE_RB_NAMED_LATER;
    }
    out->holder = holder;
    if (!name->is_singleton && !is_module(holder)) {
        return SONDE_RB_NAMED_OBJECT;
    }
    out->place = name->is_singleton ? sonde_rb_singleton_of(holder) : holder;
    VALUE place = out->place != 0 ? out->place : CLASS_OF(holder);
    ID id = id_of(name->method);
    bool is_own = false;
    VALUE method = id != 0 ? method_in(place, id, &is_own) : Qnil;
    if (NIL_P(method)) {
        return SONDE_RB_NAMED_NO_METHOD;
    }
    if (!is_own || out->place == 0) {
        return sonde_rb_method_of_object(method, &out->method) ? SONDE_RB_NAMED_OTHERS
                                                               : SONDE_RB_NAMED_NO_METHOD;
    }
    if (!sonde_rb_method_run_by(method, &out->method)) {
        return SONDE_RB_NAMED_NO_METHOD;
    }
    out->wrapper = rb_funcall(rb_path2class("RubyVM::InstructionSequence"),
                              rb_intern("of"), 1, method);
    RB_GC_GUARD(method);
    return NIL_P(out->wrapper) ? SONDE_RB_NAMED_NO_CODE : SONDE_RB_NAMED_CODE;
}

void
sonde_rb_methods_each_name(VALUE place, void (*visit)(struct sonde_str name, void *arg),
                           void *arg)
{
    VALUE const lists[] = {ruby.public_names, ruby.private_names};
    for (size_t i = 0; i < 2; i++) {
        VALUE names = rb_funcall(lists[i], ruby.bind_call, 2, place, Qfalse);
        for (long k = 0; k < RARRAY_LEN(names); k++) {
            visit(sonde_rb_text(rb_sym2str(RARRAY_AREF(names, k))), arg);
        }
        RB_GC_GUARD(names);
    }
}
