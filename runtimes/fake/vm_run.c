/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter. */
#include "runtimes/fake/vm_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Small, so that nobody waits long for the lock; not 1, so that hot loops stay hot. */
#define LINES_BETWEEN_SAFE_POINTS 50

/* What became of a line. */
enum step { STEP_NEXT, STEP_GO, STEP_RETURNED, STEP_RAISED, STEP_WAITS };

static int
index_of(const char *const *names, const char *name)
{
    for (int i = 0; i < VM_MAX_NAMES && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Where a name's value stands: a variable of the function, or else of the program. */
static struct vm_value *
variable(struct vm_frame *frame, const char *name)
{
    int i = index_of(frame->code->function->names, name);
    if (i >= 0) {
        return &frame->locals[i];
    }
    i = index_of(frame->code->module->program->globals, name);
    return i >= 0 ? &frame->code->module->globals[i] : NULL;
}

static struct vm_value
operand(struct vm_frame *frame, const struct vm_operand *from)
{
    const struct vm_value *at =
        from->name == NULL ? &from->constant : variable(frame, from->name);
    return at == NULL ? VM_NOTHING : *at;
}

static void
assign(struct vm_frame *frame, const char *name, struct vm_value value)
{
    struct vm_value *at = name == NULL ? NULL : variable(frame, name);
    if (at != NULL) {
        *at = value;
    }
}

static uint32_t
line_labelled(const struct vm_function *function, const char *label)
{
    uint32_t i = 0;
    while (i < function->line_count && (function->lines[i].label == NULL ||
                                        strcmp(function->lines[i].label, label) != 0)) {
        i++;
    }
    return i; /* no such label: past the end, which returns */
}

bool
vm_raise(struct vm_thread *thread, const char *type, struct vm_value message)
{
    struct vm_error *error = &thread->error;
    error->type = type;
    error->message = message;
    error->trace_count = 0;
    for (struct vm_frame *frame = thread->top;
         frame != NULL && error->trace_count < VM_MAX_TRACE; frame = frame->caller) {
        error->trace[error->trace_count++] = (struct vm_trace_entry){
            frame->code, frame->code->function->lines[frame->at].number};
    }
    return false;
}

static const struct vm_text not_a_number = {VM_ASCII, "not a number", 12};
static const struct vm_text no_such_member = {VM_ASCII, "no such member", 14};
static const struct vm_text no_such_function = {VM_ASCII, "no such function", 16};
static const struct vm_text thrown_in = {VM_ASCII, "thrown in", 9};
static const struct vm_text too_deep = {VM_ASCII, "too many calls inside one another",
                                        33};

static bool
raise_text(struct vm_thread *thread, const char *type, const struct vm_text *text)
{
    return vm_raise(thread, type, (struct vm_value){.kind = VM_TEXT, .text = text});
}

static bool
arithmetic(struct vm_frame *frame, const struct vm_line *line)
{
    struct vm_value a = operand(frame, &line->a), b = operand(frame, &line->b);
    if (a.kind != VM_INT || b.kind != VM_INT) {
        return raise_text(frame->thread, "TypeError", &not_a_number);
    }
    assign(frame, line->to,
           vm_int(line->op == VM_ADD ? a.integer + b.integer : a.integer * b.integer));
    return true;
}

static bool
member(struct vm_frame *frame, const struct vm_line *line)
{
    struct vm_value map = operand(frame, &line->a), key = operand(frame, &line->b);
    for (size_t i = 0; map.kind == VM_MAP && i < map.map->count; i++) {
        const struct vm_value *at = &map.map->pairs[i].key;
        if (at->kind == VM_TEXT && at->text->units == key.text->units &&
            memcmp(at->text->data, key.text->data, key.text->units) == 0) {
            assign(frame, line->to, map.map->pairs[i].value);
            return true;
        }
    }
    return raise_text(frame->thread, "KeyError", &no_such_member);
}

static bool
call(struct vm_frame *frame, const struct vm_line *line)
{
    struct vm_code *code = vm_code_named(frame->code->module, line->name);
    if (code == NULL) {
        return raise_text(frame->thread, "NameError", &no_such_function);
    }
    struct vm_value arguments[] = {operand(frame, &line->a), operand(frame, &line->b)};
    struct vm_value result = VM_NOTHING;
    bool is_done = line->op == VM_BEGIN
                       ? vm_begin(frame->thread, code, arguments[0], &result)
                       : vm_run(frame->thread, code, arguments, &result);
    if (!is_done) {
        return false;
    }
    assign(frame, line->to, result);
    return true;
}

static bool
go_on(struct vm_frame *frame, const struct vm_line *line)
{
    struct vm_value result = VM_NOTHING;
    if (!vm_go_on(frame->thread, operand(frame, &line->a), line->name, &result)) {
        return false;
    }
    assign(frame, line->to, result);
    return true;
}

static void
let_others_run(struct vm_thread *thread)
{
    thread->until_safe_point = LINES_BETWEEN_SAFE_POINTS;
    vm_leave(thread->vm);
    vm_enter(thread->vm);
}

static void
sleep_us(struct vm_thread *thread, int64_t us)
{
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    vm_leave(thread->vm);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    vm_enter(thread->vm);
}

static enum step
step(struct vm_frame *frame, const struct vm_line *line, struct vm_value *result)
{
    switch (line->op) {
    case VM_SET:
        assign(frame, line->to, operand(frame, &line->a));
        return STEP_NEXT;
    case VM_ADD:
    case VM_MUL:
        return arithmetic(frame, line) ? STEP_NEXT : STEP_RAISED;
    case VM_GET:
        return member(frame, line) ? STEP_NEXT : STEP_RAISED;
    case VM_CALL:
    case VM_BEGIN:
        return call(frame, line) ? STEP_NEXT : STEP_RAISED;
    case VM_RAISE:
        vm_raise(frame->thread, line->name, operand(frame, &line->a));
        return STEP_RAISED;
    case VM_TRY:
        frame->handler = line->go;
        frame->handler_name = line->to;
        return STEP_NEXT;
    case VM_ENDTRY:
        frame->handler = NULL;
        return STEP_NEXT;
    case VM_RETURN:
        *result = operand(frame, &line->a);
        return STEP_RETURNED;
    case VM_JUMP:
        return STEP_GO;
    case VM_IF_LESS:
        return operand(frame, &line->a).integer < operand(frame, &line->b).integer
                   ? STEP_GO
                   : STEP_NEXT;
    case VM_WAIT:
        *result = operand(frame, &line->a);
        return STEP_WAITS;
    case VM_GO_ON:
        return go_on(frame, line) ? STEP_NEXT : STEP_RAISED;
    case VM_YIELD:
        let_others_run(frame->thread);
        return STEP_NEXT;
    case VM_SLEEP:
        sleep_us(frame->thread, operand(frame, &line->a).integer);
        return STEP_NEXT;
    }
    return STEP_NEXT;
}

/* An error has come to this frame: its handler takes it, or it goes on to the caller. */
static bool
try_handle(struct vm_frame *frame)
{
    if (frame->handler == NULL) {
        return false;
    }
    assign(frame, frame->handler_name, frame->thread->error.message);
    frame->at = line_labelled(frame->code->function, frame->handler);
    frame->handler = NULL;
    frame->thread->error.type = NULL;
    return true;
}

static enum vm_end
run_lines(struct vm_frame *frame, struct vm_value *result)
{
    struct vm_thread *thread = frame->thread;
    const struct vm_function *function = frame->code->function;
    while (frame->at < function->line_count) {
        if (thread->until_safe_point-- == 0) {
            thread->until_safe_point = LINES_BETWEEN_SAFE_POINTS;
            if (vm_lock_is_wanted(thread->vm->lock)) {
                let_others_run(thread);
            }
        }
        /* After the safe point: what was armed in it sees this very line. */
        const struct vm_tool *tool = thread->vm->tool;
        void *hook = frame->code->line_hooks[frame->at];
        if (hook != NULL && tool != NULL) {
            tool->line(tool->ctx, frame, hook);
        }
        const struct vm_line *line = &function->lines[frame->at];
        switch (step(frame, line, result)) {
        case STEP_NEXT:
            frame->at++;
            break;
        case STEP_GO:
            frame->at = line_labelled(function, line->go);
            break;
        case STEP_RETURNED:
            return VM_RETURNED;
        case STEP_RAISED:
            if (!try_handle(frame)) {
                return VM_RAISED;
            }
            break;
        case STEP_WAITS:
            return VM_WAITS;
        }
    }
    return VM_RETURNED;
}

/* Looked up each time: tool and hook may have come or gone meanwhile. */
static const struct vm_tool *
tool_of(const struct vm_frame *frame)
{
    return frame->code->function_hook == NULL ? NULL : frame->thread->vm->tool;
}

static enum vm_end
run_on(struct vm_frame *frame, bool is_begun, const char *thrown, struct vm_value *result)
{
    const struct vm_tool *tool = tool_of(frame);
    /* Closed where nothing can handle that, it does not go on. */
    if (tool != NULL && (thrown != vm_closed || frame->handler != NULL)) {
        (is_begun ? tool->resumed : tool->entered)(tool->ctx, frame,
                                                   frame->code->function_hook);
    }
    if (thrown != NULL) {
        raise_text(frame->thread, thrown, &thrown_in);
        return try_handle(frame) ? run_lines(frame, result) : VM_RAISED;
    }
    frame->at += is_begun; /* past the line where it waited */
    return run_lines(frame, result);
}

enum vm_end
vm_frame_run(struct vm_thread *thread, struct vm_frame *frame, bool is_begun,
             const char *thrown, struct vm_value *result)
{
    frame->thread = thread;
    frame->caller = thread->top;
    thread->top = frame;
    thread->depth++;
    frame->code->active_count++;
    enum vm_end end = run_on(frame, is_begun, thrown, result);
    const struct vm_tool *tool = tool_of(frame);
    void *hook = frame->code->function_hook;
    if (tool != NULL && end == VM_WAITS) {
        tool->suspended(tool->ctx, frame, hook);
    } else if (tool != NULL) {
        tool->left(tool->ctx, frame, hook, end == VM_RETURNED ? result : NULL,
                   end == VM_RETURNED ? NULL : &thread->error);
    }
    frame->code->active_count--;
    thread->depth--;
    thread->top = frame->caller;
    return end;
}

bool
vm_run(struct vm_thread *thread, struct vm_code *code, const struct vm_value *arguments,
       struct vm_value *result)
{
    const struct vm_function *function = code->function;
    if (function->native != NULL) {
        return function->native(thread, arguments, result);
    }
    if (thread->depth == VM_MAX_DEPTH) {
        return raise_text(thread, "RecursionError", &too_deep);
    }
    struct vm_frame frame = {.code = code};
    for (uint32_t i = 0; i < function->argument_count; i++) {
        frame.locals[i] = arguments[i];
    }
    return vm_frame_run(thread, &frame, false, NULL, result) == VM_RETURNED;
}
