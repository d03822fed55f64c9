/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/frames.h"

#include "core/base/os.h"
#include "runtimes/fake/values.h"

#include <string.h>

static void
write_thread(struct sonde_tape *tape)
{
    char name[64];
    sonde_os_thread_name_get(name, sizeof(name));
    sonde_tape_thread(tape, sonde_os_thread_id(), sonde_str_from(name));
}

static void
write_stack(struct sonde_tape *tape, const struct vm_frame *innermost)
{
    sonde_tape_stack_begin(tape);
    for (const struct vm_frame *frame = innermost; frame; frame = frame->caller) {
        const struct vm_code *code = frame->code;
        if (!sonde_tape_frame(tape, sonde_str_from(code->module->program->file),
                              sonde_str_from(code->function->name),
                              code->function->lines[frame->at].number)) {
            break;
        }
    }
    sonde_tape_stack_end(tape);
}

static void
write_names(struct sonde_tape *tape, const struct vm_frame *frame, enum sonde_group group)
{
    const struct vm_function *function = frame->code->function;
    bool is_locals = group == SONDE_GROUP_LOCALS;
    uint32_t from = is_locals ? function->argument_count : 0;
    uint32_t to = is_locals ? VM_MAX_NAMES : function->argument_count;
    sonde_tape_group_begin(tape, group);
    for (uint32_t i = from; i < to && function->names[i] != NULL; i++) {
        struct sonde_str name = sonde_str_from(function->names[i]);
        if (frame->locals[i].kind != VM_UNSET && sonde_tape_wants(tape, group, name)) {
            sonde_tape_name(tape, name);
            sonde_fake_write_value(tape, &frame->locals[i]);
        }
    }
    sonde_tape_group_end(tape);
}

void
sonde_fake_capture_line(struct sonde_hit *hit, const struct vm_frame *frame)
{
    write_thread(hit->tape);
    if (hit->def->captures_stack) {
        write_stack(hit->tape, frame);
    }
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_LINE);
    if (hit->def->captures_arguments) {
        write_names(hit->tape, frame, SONDE_GROUP_ARGUMENTS);
    }
    if (hit->def->captures_locals) {
        write_names(hit->tape, frame, SONDE_GROUP_LOCALS);
    }
    sonde_tape_section_end(hit->tape);
}

void
sonde_fake_capture_entry(struct sonde_hit *hit, const struct vm_frame *frame)
{
    write_thread(hit->tape);
    if (hit->def->captures_stack) {
        write_stack(hit->tape, frame);
    }
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_ENTRY);
    if (hit->def->captures_arguments) {
        write_names(hit->tape, frame, SONDE_GROUP_ARGUMENTS);
    }
    sonde_tape_section_end(hit->tape);
}

static void
write_throwable(struct sonde_tape *tape, const struct vm_error *error)
{
    sonde_tape_group_begin(tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(tape, sonde_str_from(error->type));
    sonde_fake_write_value(tape, &error->message);
    sonde_tape_stack_begin(tape);
    for (uint32_t i = 0; i < error->trace_count; i++) {
        const struct vm_code *code = error->trace[i].code;
        if (!sonde_tape_frame(tape, sonde_str_from(code->module->program->file),
                              sonde_str_from(code->function->name),
                              error->trace[i].number)) {
            break;
        }
    }
    sonde_tape_stack_end(tape);
    sonde_tape_group_end(tape);
}

static enum sonde_outcome
outcome_of(const struct vm_error *error)
{
    return error == NULL                 ? SONDE_OUTCOME_RETURNED
           : error->type == vm_closed    ? SONDE_OUTCOME_CLOSED
           : error->type == vm_cancelled ? SONDE_OUTCOME_CANCELLED
                                         : SONDE_OUTCOME_RAISED;
}

void
sonde_fake_capture_exit(struct sonde_hit *hit, const struct vm_frame *frame,
                        const struct vm_value *result, const struct vm_error *error)
{
    struct sonde_tape *tape = hit->tape;
    enum sonde_outcome outcome = outcome_of(error);
    sonde_tape_section_begin(tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(tape, outcome);
    if (hit->def->captures_locals) {
        write_names(tape, frame, SONDE_GROUP_LOCALS);
    }
    if (outcome == SONDE_OUTCOME_RAISED) {
        write_throwable(tape, error);
    } else if (outcome == SONDE_OUTCOME_RETURNED && hit->def->captures_return) {
        sonde_tape_group_begin(tape, SONDE_GROUP_RETURN_VALUE);
        sonde_fake_write_value(tape, result);
        sonde_tape_group_end(tape);
    }
    sonde_tape_section_end(tape);
}
