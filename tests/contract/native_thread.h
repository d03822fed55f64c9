/* SPDX-License-Identifier: Apache-2.0
 *
 * thread_start and thread_join for VMs into which any thread of the system may come. */
#ifndef SONDE_TESTS_CONTRACT_NATIVE_THREAD_H
#define SONDE_TESTS_CONTRACT_NATIVE_THREAD_H

#include "tests/contract/contract.h"

bool native_thread_start(struct contract_thread *thread);
void native_thread_join(struct contract_thread *thread);

#endif
