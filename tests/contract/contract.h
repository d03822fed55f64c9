/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract suite: what every runtime has to do, told once. A runtime takes part with a
 * driver and with its own version of the programs under programs/, which say the same,
 * function by function. Nothing in the suite knows a runtime's words; those are the driver's.
 *
 * A driver's file defines `const struct contract_driver contract_driver`. The VM comes up once
 * in a process; the agent is started and stopped for every test. */
#ifndef SONDE_TESTS_CONTRACT_CONTRACT_H
#define SONDE_TESTS_CONTRACT_CONTRACT_H

#include <sonde/agent.h>
#include <sys/types.h>

/* The kinds of values whose names the suite asks for. */
enum contract_type {
    CONTRACT_NIL,
    CONTRACT_BOOL,
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

struct contract_driver {
    const char *name;
    const char *types[CONTRACT_TYPE_COUNT]; /* as they stand in a record */
    uint32_t base_frame_count; /* of the application's, below what `call` calls */

    /* The VM, with nothing loaded. False: it can not be had. Ctx: main thread, no lock. */
    bool (*open)(void);
    void (*close)(void);

    /* The agent, with these settings (server is ""). NULL: see err. Ctx: main thread, no
     * lock. */
    struct sonde_agent *(*start)(const struct sonde_config *config,
                                 struct sonde_err *err);
    void (*stop)(void);

    /* The VM lock. Ctx: any thread that does not hold it. */
    void (*lock)(void);
    void (*unlock)(void);

    /* Loads or unloads a program: "shop", "north" or "south". What unload takes away is freed
     * when it returns. Ctx: main thread, no lock. */
    bool (*load)(const char *program);
    bool (*unload)(const char *program);

    /* The path of a program's source, whose lines bear the markers. */
    const char *(*source)(const char *program);

    /* How a person names a function of a program ("total", "Cart.add") in a location, and how
     * it is named in a stack. Ctx: until the next call. */
    const char *(*location)(const char *program, const char *function);
    const char *(*frame_name)(const char *function);

    /* Calls a function of a program that is loaded. False when it raised. Ctx: any thread, no
     * lock. */
    bool (*call)(const char *program, const char *function, int64_t argument,
                 int64_t *result);

    /* True when nothing of the loaded programs bears a trace of a probe. Ctx: no lock. */
    bool (*is_pristine)(void);

    /* fork() as the language does it, or (not `tells`) as C code does behind the VM's back.
     * -2: this runtime can not. Ctx: no lock, in the child neither. */
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
int contract_suite_limit(void);
int contract_suite_value(void);
int contract_suite_life(void);
int contract_suite_thread(void);
int contract_suite_fork(void);

#endif
