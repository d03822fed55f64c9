/* SPDX-License-Identifier: Apache-2.0
 *
 * How the suite's programs are written for the fake runtime: a line of the program is a line
 * of its C file, so that markers are found in it as in any other source. */
#ifndef SONDE_TESTS_CONTRACT_PROGRAMS_FAKE_PROGRAM_H
#define SONDE_TESTS_CONTRACT_PROGRAMS_FAKE_PROGRAM_H

#include "runtimes/fake/vm.h"

extern const struct vm_program fake_shop, fake_north, fake_south;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Operands. */
#define VAR(text)      \
    {                  \
        .name = (text) \
    }
#define INT(number)                                        \
    {                                                      \
        .constant = {.kind = VM_INT, .integer = (number) } \
    }
#define FLOAT(number)                                        \
    {                                                        \
        .constant = {.kind = VM_FLOAT, .decimal = (number) } \
    }
#define BOOL(answer)                                      \
    {                                                     \
        .constant = {.kind = VM_BOOL, .truth = (answer) } \
    }
#define NIL                           \
    {                                 \
        .constant = {.kind = VM_NIL } \
    }
#define CODED(coding, bytes, count)                                     \
    {                                                                   \
        .constant = {                                                   \
            .kind = VM_TEXT,                                            \
            .text = &(const struct vm_text){(coding), (bytes), (count)} \
        }                                                               \
    }
#define TEXT(literal) CODED(VM_ASCII, literal, sizeof(literal) - 1)

/* A line: its operation, and what it needs. */
#define DO(operation, ...)                                 \
    {                                                      \
        .number = __LINE__, .op = (operation), __VA_ARGS__ \
    }

/* A function that is made of lines, and one that is native. */
#define FUNCTION(title, arguments, table, ...)                               \
    {                                                                        \
        .name = (title), .number = __LINE__, .argument_count = (arguments),  \
        .names = {__VA_ARGS__}, .lines = (table), .line_count = COUNT(table) \
    }
#define NATIVE(title, function)               \
    {                                         \
        .name = (title), .native = (function) \
    }

#endif
