/* SPDX-License-Identifier: Apache-2.0
 *
 * Arming by rewriting: a code object with calls in it takes the place of the original wherever
 * the original is held. Without probes nothing of it is left. */
#include "engine.h"

#include "catalogue.h"
#include "code_index.h"
#include "rewriting/evaluation.h"
#include "rewriting/hooks.h"
#include "rewriting/patches.h"
#include "rewriting/stand_ins.h"
#include "rewriting/verify_rewriting.h"
#include "state.h"

const char *const sonde_py_engine_name = "rewriting";

int
sonde_py_engine_start(struct sonde_err *err)
{
    if (!sonde_py_hooks_init() || !sonde_py_stand_ins_init()) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    return SONDE_OK;
}

unsigned
sonde_py_engine_verify(unsigned forced, unsigned *checked)
{
    *checked = 1u << SONDE_PY_PART_REWRITING;
    return sonde_py_verify_rewriting(forced);
}

int
sonde_py_engine_prepare(struct sonde_err *err)
{
    if (!sonde_py_has(SONDE_PY_PART_REWRITING)) {
        return sonde_err_set(err, SONDE_E_UNSUPPORTED, "rewriting",
                             "rewriting: code is not as known from CPython %s",
                             SONDE_PY_SERIES);
    }
    return SONDE_OK;
}

int
sonde_py_engine_settle(struct sonde_py_armed *armed, struct sonde_err *err)
{
    /* Its end is told from now on; where it is not, the probe stays, and that is all. */
    sonde_py_index_tells_end(armed->code);
    int result = sonde_py_patch_settle(armed, err);
    sonde_py_evaluation_tell_suspensions(sonde_py_told_count() > 0);
    return result;
}

void
sonde_py_engine_rest(void)
{
    sonde_py_catalogue_rest();
    sonde_py_patches_rest();
}

void
sonde_py_engine_stop(void)
{
    sonde_py_evaluation_stop();
    sonde_py_patches_rest();
}
