/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/lines.h"

static uint32_t
distance(uint32_t a, uint32_t b)
{
    return a < b ? b - a : a - b;
}

/* Keeps `line` if it is among the nearest. */
static void
offer(struct sonde_fake_lines *lines, uint32_t line)
{
    uint32_t *nearest = lines->nearest;
    uint32_t at = 0;
    while (at < lines->nearest_count &&
           distance(nearest[at], lines->wanted) <= distance(line, lines->wanted)) {
        if (nearest[at] == line) {
            return; /* one line in several places */
        }
        at++;
    }
    if (at == SONDE_FAKE_NEAREST_MAX) {
        return;
    }
    if (lines->nearest_count < SONDE_FAKE_NEAREST_MAX) {
        lines->nearest_count++;
    }
    for (uint32_t i = lines->nearest_count - 1; i > at; i--) {
        nearest[i] = nearest[i - 1];
    }
    nearest[at] = line;
}

int
sonde_fake_lines_find(struct sonde_fake_lines *lines, const struct vm_module *module,
                      struct sonde_finding *finding)
{
    for (uint32_t i = 0; i < module->program->function_count; i++) {
        const struct vm_function *function = &module->program->functions[i];
        for (uint32_t at = 0; at < function->line_count; at++) {
            uint32_t number = function->lines[at].number;
            offer(lines, number);
            if (number != lines->wanted) {
                continue;
            }
            int rc = sonde_finding_place(finding,
                                         (struct sonde_place){module->codes[i].id, at},
                                         sonde_str_from(module->program->file),
                                         sonde_str_from(function->name), number);
            if (rc != SONDE_OK) {
                return rc;
            }
            lines->place_count++;
        }
    }
    return SONDE_OK;
}
