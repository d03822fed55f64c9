/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/stand_ins.h"

#include "compat/functions.h"
#include "lines.h"
#include "rewriting/hooks.h"
#include "rewriting/rewrite.h"
#include "state.h"

#include <stdlib.h>

/* By the address of the code. A walk of the heap asks for every function there is, so the answer
 * "none" has to be found with one load. */
enum { BUCKET_COUNT = 4096 };
static struct sonde_py_stand_in **buckets;
static struct sonde_py_stand_in *buried;

bool
sonde_py_stand_ins_init(void)
{
    if (buckets == NULL) {
        buckets = PyMem_RawCalloc(BUCKET_COUNT, sizeof(*buckets));
    }
    return buckets != NULL;
}

static struct sonde_py_stand_in **
bucket_of(const PyCodeObject *code)
{
    return &buckets[((uintptr_t)code >> 4 ^ (uintptr_t)code >> 14) % BUCKET_COUNT];
}

/* --- The plan ------------------------------------------------------------------------------- */

struct plan {
    struct sonde_py_rewrite_plan wanted;
    struct sonde_py_rewrite_spot *spots;
    struct sonde_py_stand_in *stand_in;
    struct sonde_py_listing listing; /* when it is asked for */
    bool is_listed, is_listable;
    bool is_whole; /* nothing failed */
};

/* One line's loop goes on with its execution (lines.h). Where memory is short the probe is told
 * of each turn instead. */
static bool
leads_past(void *ctx, int from, int to)
{
    struct plan *plan = ctx;
    if (to > from) {
        return false;
    }
    if (!plan->is_listed) {
        plan->is_listed = true;
        plan->is_listable =
            sonde_py_listing_init(&plan->listing, plan->stand_in->original) == SONDE_OK;
    }
    return plan->is_listable && sonde_py_listing_is_turn(&plan->listing, from, to);
}

static int
compare_spots(const void *a, const void *b)
{
    int left = ((const struct sonde_py_rewrite_spot *)a)->unit;
    int right = ((const struct sonde_py_rewrite_spot *)b)->unit;
    return (left > right) - (left < right);
}

static PyObject *
make_hook(struct plan *plan, enum sonde_py_hook_kind kind, uint32_t unit)
{
    PyObject *hook = sonde_py_hook_new(kind, unit, plan->stand_in);
    plan->is_whole = plan->is_whole && hook != NULL;
    return hook;
}

/* One hook per unit, however many probes are there. */
static void
plan_lines(struct plan *plan, const struct sonde_py_armed *armed)
{
    size_t count = 0, kept = 0;
    struct sonde_py_rewrite_spot *spots = plan->spots;
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position != SONDE_PY_WHOLE) {
            spots[count++].unit = (int)armed->sites[i].position;
        }
    }
    qsort(spots, count, sizeof(*spots), compare_spots);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || spots[kept - 1].unit != spots[i].unit) {
            spots[kept].unit = spots[i].unit;
            spots[kept].hook =
                make_hook(plan, SONDE_PY_HOOK_LINE, (uint32_t)spots[i].unit);
            kept++;
        }
    }
    plan->wanted.leads_past = leads_past;
    plan->wanted.ctx = plan;
    plan->wanted.spots = spots;
    plan->wanted.spot_count = kept;
}

static void
plan_function(struct plan *plan, const struct sonde_py_armed *armed)
{
    struct sonde_py_rewrite_wrap *wrap = &plan->wanted.wrap;
    for (uint32_t i = 0; wrap->on_entry == NULL && i < armed->count; i++) {
        if (armed->sites[i].position == SONDE_PY_WHOLE) {
            wrap->on_entry = make_hook(plan, SONDE_PY_HOOK_ENTRY, 0);
        }
    }
    if (!armed->is_told) {
        return;
    }
    wrap->on_return = make_hook(plan, SONDE_PY_HOOK_RETURN, 0);
    wrap->on_unwind = make_hook(plan, SONDE_PY_HOOK_UNWIND, 0);
    if (SONDE_PY_HAS_SUSPEND_HOOKS && sonde_py_code_suspends(armed->code)) {
        wrap->on_suspend = make_hook(plan, SONDE_PY_HOOK_SUSPEND, 0);
        wrap->on_resume = make_hook(plan, SONDE_PY_HOOK_RESUME, 0);
    }
}

/* The code that was made of it holds what it needs. */
static void
drop_plan(struct plan *plan)
{
    struct sonde_py_rewrite_wrap *wrap = &plan->wanted.wrap;
    for (size_t i = 0; i < plan->wanted.spot_count; i++) {
        Py_XDECREF(plan->spots[i].hook);
    }
    Py_XDECREF(wrap->on_entry);
    Py_XDECREF(wrap->on_return);
    Py_XDECREF(wrap->on_unwind);
    Py_XDECREF(wrap->on_suspend);
    Py_XDECREF(wrap->on_resume);
    PyMem_RawFree(plan->spots);
    if (plan->is_listable) {
        sonde_py_listing_fini(&plan->listing);
    }
}

/* --- Their life ----------------------------------------------------------------------------- */

PyCodeObject *
sonde_py_stand_in_new(const struct sonde_py_armed *armed, struct sonde_py_stand_in **out,
                      struct sonde_err *err)
{
    struct plan plan = {.is_whole = true};
    plan.stand_in = PyMem_RawCalloc(1, sizeof(*plan.stand_in));
    plan.spots = PyMem_RawCalloc((size_t)armed->count + 1, sizeof(*plan.spots));
    PyObject *code = NULL;
    if (plan.stand_in == NULL || plan.spots == NULL) {
        PyMem_RawFree(plan.stand_in);
        PyMem_RawFree(plan.spots);
        sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
        return NULL;
    }
    plan.stand_in->original = (PyCodeObject *)Py_NewRef((PyObject *)armed->code);
    plan.stand_in->refs = 1;
    plan.stand_in->armed_at = sonde_py_armed_changes - 1; /* not looked for yet */
    plan_lines(&plan, armed);
    plan_function(&plan, armed);
    if (plan.is_whole) {
        code = sonde_py_rewrite(armed->code, &plan.wanted, err);
    } else {
        sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    if (code != NULL && (plan.stand_in->alive = PyWeakref_NewRef(code, NULL)) == NULL) {
        sonde_py_clear_error();
        Py_CLEAR(code);
        sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    if (code != NULL) {
        struct sonde_py_stand_in **bucket = bucket_of((PyCodeObject *)code);
        plan.stand_in->code = (PyCodeObject *)code;
        plan.stand_in->next = *bucket;
        *bucket = plan.stand_in;
    }
    drop_plan(&plan);
    if (code == NULL) {
        sonde_py_stand_in_unref(plan.stand_in);
        return NULL;
    }
    *out = plan.stand_in;
    return (PyCodeObject *)code;
}

void
sonde_py_stand_in_unref(struct sonde_py_stand_in *stand_in)
{
    if (stand_in == NULL || --stand_in->refs > 0) {
        return;
    }
    struct sonde_py_stand_in **at = bucket_of(stand_in->code);
    while (*at != NULL && *at != stand_in) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = stand_in->next;
    }
    struct sonde_py_armed *armed = sonde_py_armed_of(stand_in->original);
    if (armed != NULL && armed->patch == stand_in) {
        armed->patch = NULL;
    }
    PyObject *alive = stand_in->alive;
    PyCodeObject *original = stand_in->original;
    PyMem_RawFree(stand_in);
    Py_XDECREF(alive);
    Py_DECREF(original);
}

/* Somebody may have copied a stand-in (code.replace), with our hooks; the copy may outlive it,
 * and another code object may get its address. */
bool
sonde_py_stand_in_lives(const struct sonde_py_stand_in *stand_in)
{
    return PyWeakref_GET_OBJECT(stand_in->alive) == (PyObject *)stand_in->code;
}

void
sonde_py_stand_in_bury(struct sonde_py_stand_in *stand_in)
{
    if (!stand_in->is_buried) {
        stand_in->is_buried = true;
        stand_in->refs++;
        if (sonde_py_stand_in_lives(stand_in)) {
            stand_in->kept = Py_NewRef((PyObject *)stand_in->code);
        }
        stand_in->next_buried = buried;
        buried = stand_in;
    }
}

void
sonde_py_stand_ins_rest(void)
{
    while (buried != NULL) {
        struct sonde_py_stand_in *stand_in = buried;
        buried = stand_in->next_buried;
        PyObject *kept = stand_in->kept;
        stand_in->is_buried = false;
        stand_in->kept = NULL;
        Py_XDECREF(kept);
        sonde_py_stand_in_unref(stand_in);
    }
}

struct sonde_py_stand_in *
sonde_py_stand_in_of(const PyCodeObject *code)
{
    if (buckets == NULL) {
        return NULL;
    }
    struct sonde_py_stand_in *stand_in = *bucket_of(code);
    while (stand_in != NULL &&
           (stand_in->code != code || !sonde_py_stand_in_lives(stand_in))) {
        stand_in = stand_in->next;
    }
    return stand_in;
}

void
sonde_py_stand_ins_each(void (*visit)(struct sonde_py_stand_in *stand_in, void *arg),
                        void *arg)
{
    for (size_t i = 0; buckets != NULL && i < BUCKET_COUNT; i++) {
        for (struct sonde_py_stand_in *at = buckets[i]; at != NULL; at = at->next) {
            if (sonde_py_stand_in_lives(at)) {
                visit(at, arg);
            }
        }
    }
}
