/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/native_thread.h"

static void *
run(void *arg)
{
    struct contract_thread *thread = arg;
    thread->body(thread->arg);
    return NULL;
}

bool
native_thread_start(struct contract_thread *thread)
{
    return pthread_create(&thread->native, NULL, run, thread) == 0;
}

void
native_thread_join(struct contract_thread *thread)
{
    pthread_join(thread->native, NULL);
}
