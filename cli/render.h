/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots and values for a person (the JSON forms are in docs/formats/snapshot.md). A
 * value takes one line when it fits the terminal's width, else its members are indented
 * below it. Unknown members are passed over, missing ones too: whatever is there is shown.
 *
 * Failure is the pen's buffer's sticky one. */
#ifndef SONDE_RENDER_H
#define SONDE_RENDER_H

#include "cli/pen.h"
#include "core/wire/json.h"

/* Header, values, stack, thread and trace; ends with a line end. */
void sonde_render_snapshot(struct sonde_pen *pen, const struct sonde_json *snapshot);

/* "name: type = value", `indent` columns in, with what it holds; ends with a line end. */
void sonde_render_value(struct sonde_pen *pen, size_t indent, struct sonde_str name,
                        const struct sonde_json *value);

/* What the value holds, without its type: after `before_it` on this line when it fits, else
 * its members below, further in than `indent`; ends with a line end. */
void sonde_render_contents(struct sonde_pen *pen, size_t indent, const char *before_it,
                           const struct sonde_json *value);

#endif
