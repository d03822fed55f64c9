/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/patches.h"

#include "rewriting/holders.h"
#include "rewriting/index.h"
#include "rewriting/stand_ins.h"
#include "state.h"

static bool has_failed; /* some could not be taken back for want of memory */

static int
no_memory(struct sonde_err *err)
{
    return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
}

static int
put_in_place(struct sonde_py_armed *armed, struct sonde_err *err)
{
    struct sonde_py_stand_in *stand_in;
    if (!sonde_py_index_find_holders()) {
        return no_memory(err);
    }
    PyCodeObject *code = sonde_py_stand_in_new(armed, &stand_in, err);
    if (code == NULL) {
        return err != NULL && err->code != SONDE_OK ? err->code : SONDE_E_NOMEM;
    }
    bool is_known = sonde_py_index_add_holder(code);
    if (is_known) {
        struct sonde_py_stand_in *last = armed->patch;
        if (last != NULL) {
            sonde_py_stand_in_bury(last);
        }
        sonde_py_holders_replace(armed->code, code);
        armed->patch = stand_in;
    }
    sonde_py_stand_in_bury(stand_in);
    sonde_py_stand_in_unref(stand_in);
    Py_DECREF(code);
    return is_known ? SONDE_OK : no_memory(err);
}

/* The original where it was. False: out of memory. */
static bool
take_back(PyCodeObject *original, struct sonde_py_stand_in *stand_in)
{
    if (!sonde_py_index_find_holders()) {
        has_failed = true;
        return false;
    }
    if (stand_in != NULL) {
        sonde_py_stand_in_bury(stand_in);
    }
    sonde_py_holders_replace(original, original);
    return true;
}

int
sonde_py_patch_settle(struct sonde_py_armed *armed, struct sonde_err *err)
{
    if (armed->count > 0) {
        return put_in_place(armed, err);
    }
    struct sonde_py_stand_in *last = armed->patch;
    armed->patch = NULL;
    /* Without a last one nobody holds any, or one that could not be taken back, which is tried
     * again when the safe point is over. */
    return last == NULL || take_back(armed->code, last) ? SONDE_OK : no_memory(err);
}

PyCodeObject *
sonde_py_patch_code(PyCodeObject *original)
{
    struct sonde_py_armed *armed = sonde_py_armed_of(original);
    if (armed == NULL) {
        return NULL;
    }
    struct sonde_py_stand_in *stand_in = armed->patch;
    if (stand_in != NULL && sonde_py_stand_in_lives(stand_in)) {
        return (PyCodeObject *)Py_NewRef((PyObject *)stand_in->code);
    }
    PyCodeObject *code = sonde_py_stand_in_new(armed, &stand_in, NULL);
    if (code != NULL) {
        armed->patch = stand_in;
        sonde_py_stand_in_unref(stand_in);
    }
    return code;
}

/* Of those that are not armed any more. */
static void
retry(struct sonde_py_stand_in *stand_in, void *unused)
{
    (void)unused;
    if (sonde_py_armed_of(stand_in->original) == NULL) {
        sonde_py_holders_replace(stand_in->original, stand_in->original);
    }
}

void
sonde_py_patches_rest(void)
{
    if (has_failed && sonde_py_index_find_holders()) {
        has_failed = false;
        sonde_py_stand_ins_each(retry, NULL);
    }
    sonde_py_index_rest();
    sonde_py_stand_ins_rest();
}
