/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/fault.h"

#include "core/base/log.h"

#include <stdio.h>

int
main(void)
{
    sonde_log_set_level(SONDE_LOG_OFF); /* hundreds of failures, each with its line */
    int failed = fault_suite_allocation() + fault_suite_call() + fault_suite_symbols();
    printf("fault: %d failed\n", failed);
    return failed == 0 ? 0 : 1;
}
