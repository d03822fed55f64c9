/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

struct sonde_str
sonde_rb_text(VALUE string)
{
    if (!RB_TYPE_P(string, T_STRING)) {
        return (struct sonde_str){"", 0};
    }
    long len = RSTRING_LEN(string);
    const char *bytes = RSTRING_PTR(string);
    return bytes != NULL && len > 0 ? (struct sonde_str){bytes, (size_t)len}
                                    : (struct sonde_str){"", 0};
}

struct sonde_str
sonde_rb_id_text(ID id)
{
    VALUE name = rb_id2str(id);
    return name != 0 ? sonde_rb_text(name) : (struct sonde_str){"", 0};
}

static bool
is_module(VALUE object)
{
    return RB_TYPE_P(object, T_CLASS) || RB_TYPE_P(object, T_MODULE);
}

/* Empty: it has none. rb_class_path_cached() looks into the class's own table and no further. */
static struct sonde_str
path_of(VALUE module)
{
    return is_module(module) ? sonde_rb_text(rb_class_path_cached(module))
                             : (struct sonde_str){"", 0};
}

struct sonde_str
sonde_rb_class_text(VALUE module)
{
    struct sonde_str path = path_of(module);
    if (path.len > 0) {
        return path;
    }
    return RB_TYPE_P(module, T_MODULE) ? SONDE_STR("#<Module>") : SONDE_STR("#<Class>");
}

VALUE
sonde_rb_class_of(VALUE object)
{
    return rb_class_real(CLASS_OF(object));
}

bool
sonde_rb_descends_from(VALUE class, struct sonde_str path)
{
    for (; class != 0; class = RCLASS_SUPER(class)) {
        if (RB_TYPE_P(class, T_CLASS) && sonde_str_eq(path_of(class), path)) {
            return true;
        }
    }
    return false;
}

size_t
sonde_rb_append(char *buf, size_t at, struct sonde_str text)
{
    size_t room = SONDE_RB_NAME_BYTES - at;
    size_t len = text.len < room ? text.len : room;
    memcpy(buf + at, text.ptr, len);
    return at + len;
}

struct sonde_str
sonde_rb_method_text(struct sonde_str prefix, VALUE owner, struct sonde_str name,
                     char *buf)
{
    struct sonde_str mark = SONDE_STR("#"), path = {"", 0};
    if (is_module(owner)) {
        if (RB_TYPE_P(owner, T_CLASS) && RB_FL_TEST_RAW(owner, RUBY_FL_SINGLETON)) {
            mark = SONDE_STR(".");
            owner = sonde_rb_attached_object(owner);
        }
        path = path_of(owner);
    }
    if (path.len == 0 && prefix.len == 0) {
        return name;
    }
    size_t at = sonde_rb_append(buf, 0, prefix);
    if (path.len > 0) {
        at = sonde_rb_append(buf, at, path);
        at = sonde_rb_append(buf, at, mark);
    }
    return (struct sonde_str){buf, sonde_rb_append(buf, at, name)};
}
