/* SPDX-License-Identifier: Apache-2.0
 *
 * OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value", both percent-encoded.
 *
 * Ctx: any thread. */
#ifndef SONDE_ATTRIBUTES_H
#define SONDE_ATTRIBUTES_H

#include "core/base/buf.h"

/* Takes the next pair off the front of *rest: 1 and both set, 0 at the end, SONDE_E_SYNTAX on
 * a malformed pair (no `=`, no key, half an escape, not UTF-8 once decoded), SONDE_E_NOMEM.
 * Own: key and value lie in `scratch` until the next call with it. */
int sonde_attributes_next(struct sonde_str *rest, struct sonde_buf *scratch,
                          struct sonde_str *key, struct sonde_str *value);

#endif
