/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/suite.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(void);
} suites[] = {
    {"find", contract_suite_find},         {"line", contract_suite_line},
    {"function", contract_suite_function}, {"suspend", contract_suite_suspend},
    {"value", contract_suite_value},       {"limit", contract_suite_limit},
    {"life", contract_suite_life},         {"thread", contract_suite_thread},
    {"fork", contract_suite_fork},         {"symbols", contract_suite_symbols},
};

/* With names of parts as arguments only those run. */
static bool
is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc < 2;
}

struct arguments {
    int argc;
    char **argv;
};

static int
run_suites(void *arg)
{
    const struct arguments *arguments = arg;
    int failed = 0;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        if (is_wanted(suites[i].name, arguments->argc, arguments->argv)) {
            failed += suites[i].run();
        }
    }
    return failed;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    if (!contract_driver.open()) {
        fprintf(stderr, "%s: its VM can not be had\n", contract_driver.name);
        return 2;
    }
    int failed = contract_driver.run == NULL
                     ? run_suites(&arguments)
                     : contract_driver.run(run_suites, &arguments);
    contract_driver.close();
    printf("%s: %d failed, %u left out\n", contract_driver.name, failed,
           suite_left_out_count);
    return failed == 0 ? 0 : 1;
}
