/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent's tests stand on: a collector of raw sockets that can misbehave, and a VM of
 * one file, "app.py", whose lines 1 to 99 can take probes. Nothing in the collector uses the
 * heap of sonde_alloc, so that making that fail hits the agent alone. */
#ifndef SONDE_TESTS_AGENT_KIT_H
#define SONDE_TESTS_AGENT_KIT_H

#include <pthread.h>
#include <sonde/agent.h>
#include <stdatomic.h>
#include <stdint.h>

/* What a sanitizer can not do. gcc says it with macros, clang with features. */
#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define __SANITIZE_ADDRESS__ 1
#    endif
#    if __has_feature(thread_sanitizer)
#        define __SANITIZE_THREAD__ 1
#    endif
#endif
#ifdef __SANITIZE_ADDRESS__
#    define KIT_HAS_ASAN true
#else
#    define KIT_HAS_ASAN false
#endif
#ifdef __SANITIZE_THREAD__
#    define KIT_HAS_TSAN true /* starts no threads in a forked child */
#else
#    define KIT_HAS_TSAN false
#endif

/* --- Waiting for a condition -------------------------------------------------------------- */

#define KIT_PATIENCE_MS 10000

/* True once `condition` holds; looks every millisecond, for at most `ms`. */
#define kit_within(ms, condition)                                   \
    ({                                                              \
        int64_t until_ms = kit_now_ms() + (ms);                     \
        bool holds;                                                 \
        while (!(holds = (condition)) && kit_now_ms() < until_ms) { \
            kit_pause_ms(1);                                        \
        }                                                           \
        holds;                                                      \
    })
#define kit_eventually(condition) kit_within(KIT_PATIENCE_MS, condition)

int64_t kit_now_ms(void);
void kit_pause_ms(int ms);

/* --- The collector ------------------------------------------------------------------------ */

struct kit_snapshot {
    char id[64];
    char instance[64];
    char probe[64];
    unsigned times; /* it arrived, as far as it was answered with 200 */
};

enum kit_mood {
    KIT_ANSWERS,
    KIT_HANGS_UP, /* reads the request and closes the connection */
    KIT_HANGS,    /* reads the request and says nothing */
};

/* A unit of symbols, as far as it was answered with 200. */
struct kit_unit {
    char hash[41], file_hash[41];
    char file[128], origin[16], file_state[16];
    unsigned claims;     /* calls that named it without its scope */
    unsigned times_kept; /* calls that brought its scope */
    char *scope;
};

struct kit_source {
    char file_hash[41];
    unsigned times_kept;
    char text[256]; /* its beginning, as it stood in JSON */
};

/* What it knows of symbols (agent_kit_symbols.c), and how it takes them. */
struct kit_symbols {
    bool is_there; /* false, the default: polls say nothing of symbols, calls give 404 */
    char upload[16], store[16];
    int round;
    int status, retry_after_s;
    int status_of_scopes;                 /* of calls that bring scopes, when not 0 */
    unsigned most_units, most_unit_bytes; /* more gives 413. 0: any */

    unsigned call_count, failed_count, final_count, empty_count;
    unsigned
        damaged_count; /* units whose hash is not theirs, calls that can not be read */
    struct kit_unit *units;
    size_t unit_count, unit_cap;
    struct kit_source sources[16];
    size_t source_count;
};

struct kit_collector {
    char url[64];
    uint16_t port;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_ending;
    int connections[256]; /* fd, 0: free */
    unsigned connection_count;

    /* How it behaves. */
    enum kit_mood mood, logs_mood;
    int logs_status, retry_after_s, poll_status;
    unsigned most_records; /* of one request; more gives 413. 0: any */
    bool rejects;          /* answers 200, with one record rejected */
    bool knows_nobody;     /* status gives 404 until somebody polls with generation "" */
    char definitions[65536];
    unsigned generation;

    /* What it saw. */
    unsigned poll_count, fresh_poll_count, status_count, bye_count, logs_count;
    unsigned failed_logs_count;
    char poll_body[4096], bye_body[256], status_body[65536];
    char authorization[128];
    char last_resource[4096];
    size_t last_resource_len;
    bool logs_were_gzip;
    struct kit_snapshot *snapshots;
    size_t snapshot_count, snapshot_cap;
    unsigned damaged_count; /* requests that were no OTLP */
    struct kit_symbols symbols;
    char failed_ids[16384]; /* of what was not answered with 200, each once */
};

/* `port` 0: any free one. */
void kit_collector_start(struct kit_collector *collector, uint16_t port);
void kit_collector_stop(struct kit_collector *collector);

/* A JSON array of definitions; whoever polls gets it at once. */
void kit_collector_publish(struct kit_collector *collector, const char *definitions);

/* Whether the last status report holds `text`. */
bool kit_collector_was_told(struct kit_collector *collector, const char *text);

unsigned kit_collector_read(struct kit_collector *collector, const unsigned *counter);
size_t kit_collector_snapshots(struct kit_collector *collector);

/* Snapshots that arrived more than once. */
size_t kit_collector_repeated(struct kit_collector *collector);

/* Runs `statement` under the collector's lock. */
#define kit_with(collector, statement)                 \
    do {                                               \
        pthread_mutex_lock(&(collector)->lock);        \
        statement;                                     \
        pthread_cond_broadcast(&(collector)->changed); \
        pthread_mutex_unlock(&(collector)->lock);      \
    } while (0)

/* From now on polls tell of symbols, and calls are taken. Polls that wait are answered. */
void kit_symbols_wish(struct kit_collector *collector, const char *upload, int round,
                      const char *store);

/* Forgets all units and sources, as a collector with a new store. */
void kit_symbols_forget(struct kit_collector *collector);

/* The kept unit of that file whose scope has `text` in it (NULL: any); copied, with scope NULL. False: there is none. */
bool kit_symbols_find(struct kit_collector *collector, const char *file, const char *text,
                      struct kit_unit *out);

/* Of the collector's own, under its lock: the answer's status and body (own: free). */
int kit_symbols_take(struct kit_collector *collector, const char *json, char **body);
void kit_symbols_free(struct kit_symbols *symbols);

/* A port at which nobody listens. */
uint16_t kit_dead_port(void);

/* --- The VM ------------------------------------------------------------------------------- */

#define KIT_VM_PLACES 64
#define KIT_VM_FILES 3000

/* A file of symbols: a class "Order" with that many methods, whose names tell the version. */
struct kit_file {
    char path[128];
    enum sonde_origin origin;
    unsigned version, methods;
    bool is_dirty; /* it changed since the last listing that ended well */
};

struct kit_vm {
    struct sonde_adapter adapter;
    struct sonde_agent *agent;
    pthread_mutex_t lock; /* the VM lock */
    pthread_t thread;     /* brings the safe points that were asked for */
    pthread_mutex_t asked_lock;
    pthread_cond_t asked_changed;
    bool is_asked, is_ending;
    bool is_file_loaded;
    const char *app_path; /* NULL: "/srv/app.py" */
    struct {
        struct sonde_site *site;
        uint64_t line;
    } places[KIT_VM_PLACES];
    _Atomic unsigned place_count;
    _Atomic unsigned ask_count, arm_count, disarm_count, safe_point_count;
    int arm_failure; /* SONDE_OK, or what arm returns */

    /* Symbols; guarded by the VM lock, the counters but for reading. */
    struct kit_file *files; /* NULL, the default: this VM lists none */
    unsigned file_count, file_at;
    int list_failure;     /* SONDE_OK, or what the listing returns */
    unsigned work_us;     /* that one file takes */
    bool has_quiet_files; /* some are dirty that no hook told of */
    _Atomic bool is_watching;
    _Atomic unsigned listing_count, whole_count, slice_count, look_count, listed_files;
};

/* Every default of the configuration, without the environment. */
void kit_config(struct sonde_config *config, const char *server);

/* Makes the VM and its thread, without an agent. */
void kit_vm_init(struct kit_vm *vm);

/* Starts an agent in it; SONDE_OK or what sonde_agent_start returned. */
int kit_vm_start(struct kit_vm *vm, const struct sonde_config *config);

/* Both of the above, against `server`. */
void kit_vm_start_at(struct kit_vm *vm, const char *server);

/* Stops the agent under the VM lock; returns how many milliseconds that took. */
int64_t kit_vm_stop_agent(struct kit_vm *vm);

/* That, and ends the VM. */
void kit_vm_stop(struct kit_vm *vm);

/* Executes a line: every probe armed there gets a hit. Returns how many were recorded. */
unsigned kit_vm_execute(struct kit_vm *vm, uint64_t line);

/* From here on the VM lists symbols; before the agent is started. */
void kit_vm_list_symbols(struct kit_vm *vm);

/* Loads a file, or a new version of it. `tells` false: no hook sees it. */
void kit_vm_load_symbols(struct kit_vm *vm, const char *path, unsigned version,
                         unsigned methods, bool tells);

/* Loads "late.py", whose lines can take probes from then on. */
void kit_vm_load_late_file(struct kit_vm *vm);

/* Loads that file again, whatever is in it now. */
void kit_vm_reload_app(struct kit_vm *vm);

/* Forks under the VM lock. The child has a VM thread of its own; when `tells`, its agent was
 * told of the fork. */
pid_t kit_vm_fork(struct kit_vm *vm, bool tells);

/* Ends a child, and says whether it was content. */
void kit_child_exit(bool is_content) __attribute__((noreturn));
bool kit_child_was_content(pid_t child);

/* The agent's own report. */
bool kit_report_has(struct kit_vm *vm, const char *text);

/* One number of the whole process in that report; -1 when it is not there. */
long kit_report_number(struct kit_vm *vm, const char *key);

/* The same of its part about symbols. */
long kit_symbols_number(struct kit_vm *vm, const char *key);

#endif
