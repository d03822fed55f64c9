/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/programs/fake_program.h"

static const struct vm_line start[] = {DO(VM_RETURN, .a = NIL)};
static const struct vm_line stock[] = {
    DO(VM_RETURN, .a = VAR("n")), /* LINE_STOCK */
};
static const struct vm_function functions[] = {
    FUNCTION("<program>", 0, start, NULL),
    FUNCTION("stock", 1, stock, "n"),
};
const struct vm_program fake_south = {
    .file = CONTRACT_DIR "/programs/south/stock_fake.c",
    .module = "south.stock",
    .functions = functions,
    .function_count = COUNT(functions),
};
