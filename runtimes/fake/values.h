/* SPDX-License-Identifier: Apache-2.0
 *
 * One value into a tape. Ctx: a hook. */
#ifndef SONDE_RUNTIMES_FAKE_VALUES_H
#define SONDE_RUNTIMES_FAKE_VALUES_H

#include "runtimes/fake/vm.h"
#include <sonde/tape.h>

/* Reads memory only: no method of an object is called. */
void sonde_fake_write_value(struct sonde_tape *tape, const struct vm_value *value);

#endif
