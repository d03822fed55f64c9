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

/* One line of the processor's cache each. */
#define NAMES_KEPT 256
#define NAME_KEPT_BYTES 55

struct kept_name {
    ID id; /* 0: none */
    unsigned char len;
    char text[NAME_KEPT_BYTES];
};

/* Copies, since the collector may move what they are copied from. CRuby never gives the number of an ID, which
 * is what stands above its lowest four bits, to another name: what has one is permanent (symbol.c). */
struct sonde_str
sonde_rb_id_text_briefly(ID id)
{
    static struct kept_name names[NAMES_KEPT];
    struct kept_name *kept = &names[(id >> 4) % NAMES_KEPT];
    if (kept->id == id && id != 0) {
        return (struct sonde_str){kept->text, kept->len};
    }
    struct sonde_str name = sonde_rb_id_text(id);
    if (name.len > 0 && name.len <= NAME_KEPT_BYTES) {
        kept->id = id;
        kept->len = (unsigned char)name.len;
        memcpy(kept->text, name.ptr, name.len);
    }
    return name;
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
    /* Most values are of these, whose paths are asked of a table otherwise. */
    if (module == rb_cString) {
        return SONDE_STR("String");
    }
    if (module == rb_cArray) {
        return SONDE_STR("Array");
    }
    if (module == rb_cHash) {
        return SONDE_STR("Hash");
    }
    struct sonde_str path = path_of(module);
    if (path.len > 0) {
        return path;
    }
    return RB_TYPE_P(module, T_MODULE) ? SONDE_STR("#<Module>") : SONDE_STR("#<Class>");
}

VALUE
sonde_rb_class_of(VALUE object)
{
    VALUE class = CLASS_OF(object);
    return class == rb_cString ? class : rb_class_real(class);
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
