/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render.h"

#include "cli/words.h"

#define SECTION_INDENT 2
#define MEMBER_INDENT 4
#define FRAMES_SHOWN 8 /* --json has them all; here the values matter more */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
gap(struct sonde_pen *pen)
{
    sonde_pen_put(pen, SONDE_TONE_PLAIN, "  ");
}

/* How a function's run ended, and how long it took; of both, what is known. */
static void
put_ending(struct sonde_pen *pen, const struct sonde_json *snapshot)
{
    static const struct {
        struct sonde_str outcome;
        const char *verb, *before_time;
    } endings[] = {
        {SONDE_STR("returned"), "returned", " in "},
        {SONDE_STR("raised"), "raised", " after "},
        {SONDE_STR("closed"), "was closed", " after "},
        {SONDE_STR("cancelled"), "was cancelled", " after "},
        {SONDE_STR("left"), "was left", " after "},
    };
    char words[SONDE_WORDS_BYTES];
    struct sonde_str outcome = sonde_json_get_str(snapshot, "outcome");
    int64_t duration_ns = sonde_json_get_int(snapshot, "duration_ns", -1);
    int64_t suspended_ns = sonde_json_get_int(snapshot, "suspended_ns", -1);
    size_t i = 0;
    while (i < COUNT(endings) && !sonde_str_eq(endings[i].outcome, outcome)) {
        i++;
    }
    if (i == COUNT(endings) && duration_ns < 0) {
        return;
    }
    gap(pen);
    if (i < COUNT(endings)) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, endings[i].verb);
        sonde_pen_put(pen, SONDE_TONE_PLAIN,
                      duration_ns < 0 ? "" : endings[i].before_time);
    }
    if (duration_ns >= 0) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, sonde_words_elapsed(words, duration_ns));
    }
    if (duration_ns >= 0 && suspended_ns >= 0) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, " (");
        sonde_pen_put(pen, SONDE_TONE_PLAIN, sonde_words_elapsed(words, suspended_ns));
        sonde_pen_put(pen, SONDE_TONE_PLAIN, " suspended)");
    }
}

static void
put_header(struct sonde_pen *pen, const struct sonde_json *snapshot)
{
    char words[SONDE_WORDS_BYTES];
    const struct sonde_json *location = sonde_json_get(snapshot, "location");
    const struct sonde_json *runtime = sonde_json_get(snapshot, "runtime");
    struct sonde_str function = sonde_json_get_str(location, "function");
    struct sonde_str env = sonde_json_get_str(snapshot, "env");
    int64_t line = sonde_json_get_int(location, "line", 0);
    int64_t wall_ns = sonde_json_get_int(snapshot, "timestamp_ns", -1);
    sonde_pen_put(pen, SONDE_TONE_BOLD, sonde_words_time(words, wall_ns));
    gap(pen);
    sonde_pen_text(pen, SONDE_TONE_BOLD, sonde_json_get_str(snapshot, "service"));
    if (env.len > 0) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, "/");
        sonde_pen_text(pen, SONDE_TONE_PLAIN, env);
    }
    sonde_pen_printf(pen, SONDE_TONE_PLAIN, " %lld",
                     (long long)sonde_json_get_int(runtime, "pid", 0));
    gap(pen);
    sonde_pen_text(pen, SONDE_TONE_PLACE, sonde_json_get_str(location, "file"));
    if (line > 0) {
        sonde_pen_printf(pen, SONDE_TONE_PLACE, ":%lld", (long long)line);
    }
    if (function.len > 0) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, " ");
        sonde_pen_text(pen, SONDE_TONE_BOLD, function);
    }
    gap(pen);
    sonde_pen_put(pen, SONDE_TONE_DIM, "probe ");
    sonde_pen_text(pen, SONDE_TONE_DIM, sonde_json_get_str(snapshot, "probe_id"));
    put_ending(pen, snapshot);
    sonde_pen_end(pen);
}

static void
put_label(struct sonde_pen *pen, const char *first, const char *second)
{
    sonde_pen_indent(pen, SECTION_INDENT);
    sonde_pen_put(pen, SONDE_TONE_DIM, first);
    sonde_pen_put(pen, SONDE_TONE_DIM, second);
}

/* A group of named values; nothing when there are none. */
static void
put_group(struct sonde_pen *pen, const char *label, const char *when,
          const struct sonde_json *section, const char *key)
{
    const struct sonde_json *group = sonde_json_get(section, key);
    if (group == NULL || group->type != SONDE_JSON_OBJECT || group->first == NULL) {
        return;
    }
    put_label(pen, label, when);
    sonde_pen_end(pen);
    for (const struct sonde_json *value = group->first; value != NULL;
         value = value->next) {
        sonde_render_value(pen, MEMBER_INDENT, value->key, value);
    }
}

static void
put_frames(struct sonde_pen *pen, const struct sonde_json *frames)
{
    size_t shown = 0;
    const struct sonde_json *frame = frames == NULL ? NULL : frames->first;
    for (; frame != NULL && shown < FRAMES_SHOWN; frame = frame->next, shown++) {
        struct sonde_str function = sonde_json_get_str(frame, "function");
        sonde_pen_indent(pen, MEMBER_INDENT);
        sonde_pen_text(pen, SONDE_TONE_PLAIN,
                       function.len > 0 ? function : SONDE_STR("?"));
        gap(pen);
        sonde_pen_text(pen, SONDE_TONE_DIM, sonde_json_get_str(frame, "file"));
        sonde_pen_printf(pen, SONDE_TONE_DIM, ":%lld",
                         (long long)sonde_json_get_int(frame, "line", 0));
        sonde_pen_end(pen);
    }
    if (frame != NULL) {
        sonde_pen_indent(pen, MEMBER_INDENT);
        sonde_pen_printf(pen, SONDE_TONE_DIM, "… %zu more frames", frames->count - shown);
        sonde_pen_end(pen);
    }
}

static void
put_throwable(struct sonde_pen *pen, const struct sonde_json *throwable)
{
    const struct sonde_json *message = sonde_json_get(throwable, "message");
    const struct sonde_json *text = sonde_json_get(message, "value");
    const struct sonde_json *fields = sonde_json_get(message, "fields");
    struct sonde_str type = sonde_json_get_str(throwable, "type");
    sonde_pen_indent(pen, SECTION_INDENT);
    sonde_pen_put(pen, SONDE_TONE_BAD, "raised ");
    sonde_pen_text(pen, SONDE_TONE_BAD, type);
    if (text != NULL && text->type == SONDE_JSON_STRING &&
        sonde_json_get(message, "truncated") == NULL) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, " ");
        sonde_pen_quoted(pen, SONDE_TONE_PLAIN, text->string, SONDE_ESCAPE_QUOTED);
        sonde_pen_end(pen);
    } else if (fields != NULL && fields->type == SONDE_JSON_OBJECT &&
               sonde_str_eq(sonde_json_get_str(message, "type"), type)) {
        sonde_render_contents(pen, SECTION_INDENT, "",
                              message); /* it is its own message */
    } else {
        sonde_pen_end(pen);
        if (message != NULL && message->type == SONDE_JSON_OBJECT) {
            sonde_render_value(pen, MEMBER_INDENT, SONDE_STR("message"), message);
        }
    }
    put_frames(pen, sonde_json_get(throwable, "stack"));
}

/* What a function probe saw on the way out. */
static void
put_return(struct sonde_pen *pen, const struct sonde_json *section)
{
    const struct sonde_json *value = sonde_json_get(section, "return_value");
    const struct sonde_json *throwable = sonde_json_get(section, "throwable");
    put_group(pen, "arguments", " at exit", section, "arguments");
    put_group(pen, "locals", " at exit", section, "locals");
    if (value != NULL && value->type == SONDE_JSON_OBJECT) {
        sonde_render_value(pen, SECTION_INDENT, SONDE_STR("returned"), value);
    }
    if (throwable != NULL && throwable->type == SONDE_JSON_OBJECT) {
        put_throwable(pen, throwable);
    }
}

static void
put_thread_and_trace(struct sonde_pen *pen, const struct sonde_json *snapshot)
{
    const struct sonde_json *thread = sonde_json_get(snapshot, "thread");
    const struct sonde_json *trace = sonde_json_get(snapshot, "trace");
    struct sonde_str name = sonde_json_get_str(thread, "name");
    struct sonde_str trace_id = sonde_json_get_str(trace, "trace_id");
    int64_t thread_id = sonde_json_get_int(thread, "id", 0);
    if (thread_id != 0 || name.len > 0) {
        put_label(pen, "thread ", "");
        sonde_pen_text(pen, SONDE_TONE_PLAIN, name);
        sonde_pen_printf(pen, SONDE_TONE_DIM, "%s%lld", name.len > 0 ? " " : "",
                         (long long)thread_id);
    }
    if (trace_id.len > 0) {
        put_label(pen, "trace ", "");
        sonde_pen_text(pen, SONDE_TONE_PLAIN, trace_id);
        sonde_pen_put(pen, SONDE_TONE_DIM, " span ");
        sonde_pen_text(pen, SONDE_TONE_PLAIN, sonde_json_get_str(trace, "span_id"));
    }
    if (pen->column > 0) {
        sonde_pen_end(pen);
    }
}

void
sonde_render_snapshot(struct sonde_pen *pen, const struct sonde_json *snapshot)
{
    const struct sonde_json *captures = sonde_json_get(snapshot, "captures");
    const struct sonde_json *lines = sonde_json_get(captures, "lines");
    const struct sonde_json *entry = sonde_json_get(captures, "entry");
    const struct sonde_json *stack = sonde_json_get(snapshot, "stack");
    const struct sonde_json *result = sonde_json_get(captures, "return");
    const struct sonde_json *throwable_frames =
        sonde_json_get(sonde_json_get(result, "throwable"), "stack");
    put_header(pen, snapshot);
    const struct sonde_json *line = lines == NULL ? NULL : lines->first;
    for (; line != NULL; line = line->next) {
        put_group(pen, "arguments", "", line, "arguments");
        put_group(pen, "locals", "", line, "locals");
    }
    put_group(pen, "arguments", "", entry, "arguments");
    put_group(pen, "locals", "", entry, "locals");
    put_return(pen, result);
    /* An exception's own stack goes on into the callers: once is enough. */
    size_t told = throwable_frames == NULL ? 0 : throwable_frames->count;
    if (stack != NULL && stack->count > told) {
        put_label(pen, "stack", "");
        sonde_pen_end(pen);
        put_frames(pen, stack);
    }
    put_thread_and_trace(pen, snapshot);
}
