/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaves nothing of an event in a code object but the event itself.
 *
 * sys.monitoring puts an INSTRUCTION event on every instruction of a code object and takes
 * it off again one by one, when a callback returns DISABLE. We know beforehand where it is
 * wanted, so we take it off the rest ourselves, in the same way, at once: no first execution
 * pays, and code that is not executed is never instrumented.
 *
 * On versions that join pairs of instructions at run time, a change of events parts them for
 * good; we join them again where no event stands on either.
 *
 * Both write what CPython itself writes to the same places under the same lock. Where the
 * check at load found a difference, nothing is done here: the callback returns DISABLE.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_TRIM_H
#define SONDE_PY_TRIM_H

#include "adapter.h"

/* Before the events of a code object are changed: writes down, per instruction, which tool has
 * asked for it. CPython does so only once there are two tools, and then begins with none:
 * whoever was alone before hears nothing any more. False: out of memory. */
bool sonde_py_trim_prepare(PyCodeObject *code);

/* Trims the code object to its armed sites. Out of memory: does nothing. */
void sonde_py_trim(const struct sonde_py_armed *armed);

/* Takes the INSTRUCTION events of `tool` off all units but `kept`; `plain` are the bytes of
 * co_code. Returns how many it took off. */
size_t sonde_py_trim_events(PyCodeObject *code, PyObject *plain, int tool,
                            const uint32_t *kept, size_t kept_count);

/* Joins pairs again; returns how many. */
size_t sonde_py_trim_pairs(PyCodeObject *code, PyObject *plain);

#endif
