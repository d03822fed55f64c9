/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract suite: what every runtime has to do, told once. A runtime takes part with a
 * driver and with its own version of the programs under programs/, which say the same,
 * function by function. Nothing in the suite knows a runtime's words; those are the driver's.
 *
 * A driver's file defines `const struct contract_driver contract_driver`. The VM comes up once
 * in a process; the agent is started and stopped for every test.
 *
 * Application threads are the main thread and those of `thread_start`; no other thread calls the
 * driver. They run without the VM lock, and have it where the driver takes it for them. */
#ifndef SONDE_TESTS_CONTRACT_CONTRACT_H
#define SONDE_TESTS_CONTRACT_CONTRACT_H

#include <sonde/agent.h>

#include <pthread.h>
#include <sys/types.h>

/* The kinds of values whose names the suite asks for. */
enum contract_type {
    CONTRACT_NIL,
    CONTRACT_TRUE,
    CONTRACT_FALSE,
    CONTRACT_INT,
    CONTRACT_FLOAT,
    CONTRACT_TEXT,
    CONTRACT_BYTES,
    CONTRACT_LIST,
    CONTRACT_MAP,
    CONTRACT_ITEM, /* the program's own classes */
    CONTRACT_SEALED,
    CONTRACT_TRIPWIRE,
    CONTRACT_ERROR, /* of what `fail` raises */
    CONTRACT_TYPE_COUNT,
};

/* A thread that the suite asks for. Own: the suite, in one place until it was joined. */
struct contract_thread {
    void (*body)(void *arg); /* returns: it never jumps out */
    void *arg;
    pthread_t native;    /* of drivers whose threads are the system's */
    uintptr_t vm_thread; /* of others */
};

struct contract_driver {
    const char *name;
    const char *types[CONTRACT_TYPE_COUNT]; /* as they stand in a record */
    const char *field_prefix;  /* what stands before the name of an object's field: "@" */
    uint32_t base_frame_count; /* of the application's, below what `call` calls */

    /* What the runtime can not do yet is false here: the suite then checks that it says so,
     * and prints the name of every test that it leaves out. */
    bool probes_functions;
    bool
        tells_suspension; /* of functions that wait in their middle, and how they all end */
    bool lists_symbols;
    bool arms_running_frames; /* false: a frame that runs already goes on as it is */

    /* The VM, with nothing loaded. False: it can not be had. Ctx: main thread. */
    bool (*open)(void);
    void (*close)(void);

    /* NULL, or: runs body(arg) in the one way in which this VM's main thread can be without
     * the lock. Everything below is called from inside it. The body may jump (longjmp)
     * within itself. Ctx: main thread, between open and close. */
    int (*run)(int (*body)(void *arg), void *arg);

    /* An application thread as the VM has them. False: it could not be made. Ctx: main
     * thread, no lock. */
    bool (*thread_start)(struct contract_thread *thread);
    void (*thread_join)(struct contract_thread *thread);

    /* The agent, with these settings (server is ""). NULL: see err. Ctx: main thread, no
     * lock. */
    struct sonde_agent *(*start)(const struct sonde_config *config,
                                 struct sonde_err *err);
    void (*stop)(void);

    /* Runs job(arg) on this thread under the VM lock. The job returns: it never jumps out,
     * so it checks nothing itself. Ctx: an application thread that does not hold it. */
    void (*with_lock)(void (*job)(void *arg), void *arg);

    /* Loads or unloads a program: "shop", "north" or "south". What unload takes away is freed
     * when it returns. Ctx: main thread, no lock. */
    bool (*load)(const char *program);
    bool (*unload)(const char *program);

    /* The path of a program's source, whose lines bear the markers. */
    const char *(*source)(const char *program);

    /* How a person names a function of a program ("total", "Cart.add") in a location; how it is
     * named in a stack; and how a place in it is, found before anybody called it. Ctx: until
     * the next call. */
    const char *(*location)(const char *program, const char *function);
    const char *(*frame_name)(const char *function);
    const char *(*place_name)(const char *function);

    /* Calls a function of a program that is loaded. False when it raised. Ctx: an application
     * thread, no lock. */
    bool (*call)(const char *program, const char *function, int64_t argument,
                 int64_t *result);

    /* True when nothing of the loaded programs bears a trace of a probe. Ctx: no lock. */
    bool (*is_pristine)(void);

    /* fork() as the language does it, or (not `tells`) so that the agent is not told: as C
     * code does behind the VM's back, or past the VM's hooks where a child that the VM knows
     * nothing of could not go on. Ctx: main thread, no lock, in the child neither. */
    pid_t (*fork)(bool tells);
};

extern const struct contract_driver contract_driver;

/* Set by whoever tells its build (contract.mk): the folder of this file. */
#ifndef CONTRACT_DIR
#    define CONTRACT_DIR "tests/contract"
#endif

/* The suite's parts: each runs its tests and returns how many failed. */
int contract_suite_find(void);
int contract_suite_line(void);
int contract_suite_function(void);
int contract_suite_suspend(void);
int contract_suite_limit(void);
int contract_suite_value(void);
int contract_suite_life(void);
int contract_suite_thread(void);
int contract_suite_fork(void);
int contract_suite_symbols(void);

#endif
