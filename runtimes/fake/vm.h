/* SPDX-License-Identifier: Apache-2.0
 *
 * A virtual machine as small as one can be and still be worth debugging: programs are C
 * tables, each line of one is one operation. It knows nothing of Sonde; like a real VM it
 * only lets one *tool* look on (struct vm_tool).
 *
 * One VM lock is held by whichever thread runs code. It is given away at safe points (before
 * lines, when somebody waits) and around what blocks (YIELD, SLEEP).
 *
 * Ctx: with the VM lock, unless a function says otherwise. Out of memory ends the process,
 * as it would in a VM of this size; the tool must not. */
#ifndef SONDE_RUNTIMES_FAKE_VM_H
#define SONDE_RUNTIMES_FAKE_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_MAX_NAMES 24   /* arguments and locals of a function, globals of a program */
#define VM_MAX_TRACE 32   /* frames that an error remembers */
#define VM_MAX_DEPTH 2000 /* calls inside one another */

/* --- Values ----------------------------------------------------------------------------- */

enum vm_kind {
    VM_UNSET = 0, /* a variable before its first assignment */
    VM_NIL,
    VM_BOOL,
    VM_INT,
    VM_FLOAT,
    VM_TEXT,
    VM_LIST,
    VM_MAP,
    VM_OBJECT,
};

enum vm_encoding { VM_ASCII, VM_LATIN1, VM_UTF8, VM_UCS2, VM_UCS4, VM_BYTES };

/* Small values by themselves. What is behind a pointer was made by a thread's current
 * outermost call and dies with it, or is constant. */
struct vm_value {
    enum vm_kind kind;
    union {
        bool truth;
        int64_t integer;
        double decimal;
        const struct vm_text *text;
        struct vm_list *list;
        struct vm_map *map;
        struct vm_object *object;
    };
};

struct vm_text {
    enum vm_encoding encoding;
    const void *data;
    size_t units;
};

struct vm_list {
    size_t count;
    struct vm_value items[];
};

struct vm_pair {
    struct vm_value key, value;
};

struct vm_map {
    size_t count;
    struct vm_pair pairs[];
};

struct vm_type {
    const char *name;
    size_t field_count;
    const char *const *field_names;
    /* What the application would run to print, compare or look into such an object. A tool
     * that only looks on never calls it. NULL: nothing. */
    struct vm_value (*method)(struct vm_object *self);
};

struct vm_object {
    const struct vm_type *type;
    struct vm_value fields[];
};

struct vm_thread;

struct vm_list *vm_list_new(struct vm_thread *thread, size_t count);
struct vm_map *vm_map_new(struct vm_thread *thread, size_t count);
struct vm_object *vm_object_new(struct vm_thread *thread, const struct vm_type *type);
/* `data` is borrowed. */
struct vm_value vm_text_new(struct vm_thread *thread, enum vm_encoding encoding,
                            const void *data, size_t units);

#define VM_NOTHING ((struct vm_value){.kind = VM_NIL})

static inline struct vm_value
vm_int(int64_t integer)
{
    return (struct vm_value){.kind = VM_INT, .integer = integer};
}

/* --- Programs ---------------------------------------------------------------------------- */

enum vm_op {
    VM_SET,     /* to = a */
    VM_ADD,     /* to = a + b */
    VM_MUL,     /* to = a * b */
    VM_GET,     /* to = a[b], a map's member by its text */
    VM_CALL,    /* to = name(a, b); the callee says how many arguments it takes */
    VM_RAISE,   /* an error of type `name`, with message a */
    VM_TRY,     /* from here on an error sets `to` to its message and goes to `go` */
    VM_ENDTRY,  /* no longer */
    VM_RETURN,  /* a */
    VM_JUMP,    /* to `go` */
    VM_IF_LESS, /* to `go` when a < b */
    VM_YIELD,   /* lets other threads run */
    VM_BEGIN, /* to = what function `name`, begun with a, gives when it first waits. It waits
                   under the number a */
    VM_WAIT, /* in a function that was begun: gives a, and waits until it is gone on with */
    VM_GO_ON, /* to = what the one that waits under a gives next. With `name`, an error of that
                   type is raised where it waits */
    VM_SLEEP, /* blocks for a microseconds */
};

/* A variable (of the function, or else of the program), or a constant when name is NULL. */
struct vm_operand {
    const char *name;
    struct vm_value constant;
};

struct vm_line {
    uint32_t number; /* in the program's source */
    enum vm_op op;
    const char *label; /* what `go` elsewhere in the function refers to */
    const char *to;
    const char *name;
    const char *go;
    struct vm_operand a, b;
};

/* Puts its result into *result, or returns false after vm_raise. */
typedef bool vm_native(struct vm_thread *thread, const struct vm_value *arguments,
                       struct vm_value *result);

struct vm_function {
    const char *name; /* "total", "Cart.add" */
    uint32_t number;  /* of the line that defines it */
    uint32_t argument_count;
    const char *names[VM_MAX_NAMES]; /* arguments first, then locals; NULL ends them */
    const struct vm_line *lines;
    uint32_t line_count;
    vm_native *native; /* in place of lines: a C function, which no tool can look into */
};

struct vm_program {
    const char *file;
    const char *module;
    const char *globals[VM_MAX_NAMES];
    const struct vm_function
        *functions; /* the first one runs when the program is loaded */
    uint32_t function_count;
};

/* --- What is loaded ----------------------------------------------------------------------- */

/* A function that is loaded. The hooks are the tool's: while one is set, the tool is called
 * with it; while it is NULL, that place costs one comparison. */
struct vm_code {
    uint64_t id; /* never used twice */
    const struct vm_function *function;
    struct vm_module *module;
    uint32_t active_count; /* frames */
    void *function_hook;
    void **line_hooks; /* one for each line */
};

struct vm_module {
    struct vm_module *next;
    const struct vm_program *program;
    struct vm_value globals[VM_MAX_NAMES];
    struct vm_code codes[]; /* one for each function, in their order */
};

struct vm_frame {
    struct vm_frame *caller; /* of one that was begun: who went on with it last */
    struct vm_code *code;
    struct vm_thread *thread;
    uint32_t at;              /* index of the line that runs */
    const char *handler;      /* label of the error handler in force */
    const char *handler_name; /* the variable that takes the message */
    struct vm_value locals[VM_MAX_NAMES];
};

struct vm_trace_entry {
    struct vm_code *code;
    uint32_t number;
};

/* Types of errors, by address: what ends a function that waits, and goes no further than to who
 * went on with it. */
extern const char vm_closed[], vm_cancelled[];

struct vm_error {
    const char *type; /* NULL: none */
    struct vm_value message;
    uint32_t trace_count;
    struct vm_trace_entry trace[VM_MAX_TRACE]; /* where it was raised first */
};

struct vm_thread {
    struct vm *vm;
    struct vm_frame *top;
    uint32_t depth;
    uint32_t until_safe_point; /* lines left to run before others are let in */
    struct vm_error error;
    struct vm_garbage *garbage; /* what its outermost call made */
};

/* --- One that looks on --------------------------------------------------------------------- */

/* All called with the VM lock; none may run code. */
struct vm_tool {
    void *ctx;
    void (*loaded)(void *ctx, struct vm_module *module); /* and has not run yet */
    void (*unloading)(void *ctx, struct vm_code *code);
    void (*line)(void *ctx, struct vm_frame *frame, void *hook);
    void (*entered)(void *ctx, struct vm_frame *frame, void *hook);
    /* Of result and error one is NULL. */
    void (*left)(void *ctx, struct vm_frame *frame, void *hook,
                 const struct vm_value *result, const struct vm_error *error);
    /* A frame waits, and goes on. One that is closed where nothing can handle that does not go
     * on: it is left. */
    void (*suspended)(void *ctx, struct vm_frame *frame, void *hook);
    void (*resumed)(void *ctx, struct vm_frame *frame, void *hook);
    /* Around a fork: before it, and then in the parent or in the child. */
    void (*forking)(void *ctx);
    void (*forked_parent)(void *ctx);
    void (*forked_child)(void *ctx);
};

struct vm {
    struct vm_lock *lock;
    struct vm_module *modules; /* newest first */
    struct vm_waiting *waiting;
    const struct vm_tool *tool;
    uint64_t last_id;
};

/* Ctx: no lock. vm_free wants no thread left inside. */
struct vm *vm_new(void);
void vm_free(struct vm *vm);

/* The VM lock: first come, first served. Ctx: any thread; vm_enter not with the lock. */
void vm_enter(struct vm *vm);
void vm_leave(struct vm *vm);

/* NULL: none. */
void vm_set_tool(struct vm *vm, const struct vm_tool *tool);

/* Loads the program and runs its first function. False when that raised. */
bool vm_load(struct vm *vm, const struct vm_program *program);

/* Unloads it wherever it was loaded, with what waits of it. False while a frame of it runs. */
bool vm_unload(struct vm *vm, const struct vm_program *program);

/* Calls module.function with one integer, on the calling thread. False when it raised, is
 * not there, or returned no integer. Ctx: any thread, without the lock. */
bool vm_call(struct vm *vm, const char *module, const char *function, int64_t argument,
             int64_t *result);

/* fork(); the child is left with the calling thread, which holds the lock there too.
 * `tells` false: as if C code had forked behind the VM's back. */
pid_t vm_fork(struct vm *vm, bool tells);

/* --- For native functions ------------------------------------------------------------------ */

/* Always false, so that `return vm_raise(…)` reads well. `message` is kept, not copied. */
bool vm_raise(struct vm_thread *thread, const char *type, struct vm_value message);

#endif
