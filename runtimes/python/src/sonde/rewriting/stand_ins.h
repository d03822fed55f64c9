/* SPDX-License-Identifier: Apache-2.0
 *
 * The code objects that stand in the place of others, and the hooks that they tell. One lives as
 * long as anything of the application holds it: a frame that runs it, for example, when the
 * probe is long gone. Its hooks look for what is armed in the original whenever that
 * may have changed, and do nothing where nothing is.
 *
 * The hooks are constants of the code and keep the struct; the struct keeps the original. The
 * code itself is kept by whoever uses it, so there is no cycle. When the last one is gone,
 * sonde_py_armed's patch is cleared.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_STAND_INS_H
#define SONDE_PY_STAND_INS_H

#include "adapter.h"

struct sonde_py_stand_in {
    PyCodeObject *original;         /* strong */
    PyCodeObject *code;             /* not counted: compare it, or hold it otherwise */
    PyObject *alive;                /* a weak reference to it */
    struct sonde_py_armed *armed;   /* what was armed in the original… */
    uint32_t armed_at;              /* …when sonde_py_armed_changes was this */
    size_t refs;                    /* hooks, and whoever made it */
    struct sonde_py_stand_in *next; /* of the same bucket */
    struct sonde_py_stand_in *next_buried; /* kept until the safe point is over */
    PyObject *kept;                        /* its code, if it lived then */
    bool is_buried;
};

/* Once. False: out of memory. */
bool sonde_py_stand_ins_init(void);

/* Writes a code object that tells hooks of all that is armed: *out, and its code object as the
 * result (new), or NULL with err set. Own: sonde_py_stand_in_unref. */
PyCodeObject *sonde_py_stand_in_new(const struct sonde_py_armed *armed,
                                    struct sonde_py_stand_in **out,
                                    struct sonde_err *err);
void sonde_py_stand_in_unref(struct sonde_py_stand_in *stand_in);

/* Whether its code still is. Somebody may have copied it with our hooks (code.replace), and the
 * copy outlived it; another code object may have its address by now. */
bool sonde_py_stand_in_lives(const struct sonde_py_stand_in *stand_in);

/* The one that this code object is, or NULL. */
struct sonde_py_stand_in *sonde_py_stand_in_of(const PyCodeObject *code);

/* Keeps it, its code and its original until sonde_py_stand_ins_rest, whoever lets go of them. */
void sonde_py_stand_in_bury(struct sonde_py_stand_in *stand_in);
void sonde_py_stand_ins_rest(void);

/* Calls `visit` for each that lives; it must make and free none. */
void sonde_py_stand_ins_each(void (*visit)(struct sonde_py_stand_in *stand_in, void *arg),
                             void *arg);

/* The code object in whose place this one stands; most often itself. Borrowed. */
static inline PyCodeObject *
sonde_py_original_of(PyCodeObject *code)
{
    struct sonde_py_stand_in *stand_in = sonde_py_stand_in_of(code);
    return stand_in != NULL ? stand_in->original : code;
}

#endif
