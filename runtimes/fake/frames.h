/* SPDX-License-Identifier: Apache-2.0
 *
 * Stack and locals of a frame, onto a hit's tape. Ctx: a hook. */
#ifndef SONDE_RUNTIMES_FAKE_FRAMES_H
#define SONDE_RUNTIMES_FAKE_FRAMES_H

#include "runtimes/fake/vm.h"
#include <sonde/hit.h>

void sonde_fake_capture_line(struct sonde_hit *hit, const struct vm_frame *frame);
void sonde_fake_capture_entry(struct sonde_hit *hit, const struct vm_frame *frame);

/* Of result and error one is NULL. */
void sonde_fake_capture_exit(struct sonde_hit *hit, const struct vm_frame *frame,
                             const struct vm_value *result, const struct vm_error *error);

#endif
