/* SPDX-License-Identifier: Apache-2.0
 *
 * The active trace of the running fiber, where OpenTelemetry or ddtrace keeps one. Nothing is loaded and
 * nothing of theirs is called: both keep it in objects that hang from the fiber or the thread, and the ids are
 * read from their instance variables. What was relied on (instance variables and names, from their sources):
 *
 *   opentelemetry-api 1.0 to 1.11
 *     the stack of contexts, an Array: to 1.4 the fiber-local variable :__opentelemetry_context_storage__
 *     of the thread, since 1.5 @opentelemetry_context of the Fiber; the last is the active one;
 *     its @entries, a Hash: under the OpenTelemetry::Context::Key whose @name is "current-span" the span;
 *     its @context has @trace_id and @span_id, Strings of 16 and 8 bytes.
 *   ddtrace 0.40 to 1.x, datadog 2.x
 *     Datadog's @components, its @tracer, its @provider, its @context has @key, the name of a fiber-local
 *     variable of the thread; since 1.0 its @active_trace has @id, and @active_span with @id (or
 *     @parent_span_id while it has none); before, its @current_span has @trace_id and @span_id. */
#ifndef SONDE_RB_TRACE_H
#define SONDE_RB_TRACE_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* Makes the names that are looked for. May raise. Ctx: VM lock, at load. */
void sonde_rb_trace_init(void);

/* Looks for ddtrace where a hook can not (CRuby 3.3 and later, which gives a constant to C only by way of a copy of
 * them all). Once in each safe point; one comes a tenth of a second after code was loaded, while
 * probes are armed (follow.h). Ctx: VM lock, no hook. */
void sonde_rb_trace_look(void);

/* Whether one of those looks may find what is not known yet. */
bool sonde_rb_trace_needs_look(void);

/* The ids onto a tape, where a span is active; OpenTelemetry's go first. Never raises, makes no object,
 * calls nothing of the application. Ctx: a hook. */
void sonde_rb_write_trace(struct sonde_tape *tape);

#endif
