/* SPDX-License-Identifier: Apache-2.0
 *
 * What the control keeps; private to this folder. All of it is guarded by
 * control->lock. */
#ifndef SONDE_CONTROL_STATE_H
#define SONDE_CONTROL_STATE_H

#include "collector/control/control.h"
#include "core/base/lock.h"

#define SONDE_CONNECTED_NS INT64_C(15000000000) /* after it was heard of last */
#define SONDE_INSTANCE_BUCKETS 1024

struct sonde_control_probe {
    struct sonde_control_probe *next; /* older */
    struct sonde_probe_def *def;
    int64_t created_at_ns;
    uint64_t hash; /* of id and revision: its part of a generation */
    bool is_expired;
};

struct sonde_instance {
    struct sonde_instance *next; /* in its bucket */
    struct sonde_identity identity;
    struct sonde_report report;
    int64_t seen_ns;    /* monotonic */
    int64_t seen_at_ns; /* wall */
    bool said_bye;
    struct sonde_exchange *poll; /* set aside, or NULL */
    int64_t poll_until_ns;
    uint64_t poll_generation; /* the one that it has */
};

/* What a person said of a service's symbols. */
struct sonde_control_service {
    struct sonde_control_service *next;
    enum sonde_uploading upload;
    int64_t round;
    size_t name_len;
    char name[];
};

/* Somebody who asked for a probe with wait_ms. */
struct sonde_control_waiter {
    struct sonde_control_waiter *next;
    struct sonde_exchange *x;
    struct sonde_str id; /* in x's arena */
    int64_t until_ns;
};

struct sonde_control {
    struct sonde_lock lock;
    void (*hurry)(void *arg, int64_t at_ns);
    void *hurry_arg;
    uint64_t life; /* of this collector; a part of every generation */
    bool is_closed;
    struct sonde_control_probe *probes; /* newest first */
    size_t probe_count;
    struct sonde_control_service *services;
    struct sonde_store *store; /* NULL: no symbols; asked for its id alone */
    struct sonde_instance *buckets[SONDE_INSTANCE_BUCKETS];
    size_t instance_count;
    struct sonde_control_waiter *waiters;
};

/* Goes over all instances: NULL starts, NULL ends. */
struct sonde_instance *sonde_control_next(const struct sonde_control *control,
                                          const struct sonde_instance *instance);

bool sonde_control_matches(const struct sonde_control_probe *probe,
                           const struct sonde_instance *instance);

/* The generation of the list that this process should have. */
uint64_t sonde_control_generation(const struct sonde_control *control,
                                  const struct sonde_instance *instance);

/* What is said of that service's symbols, or NULL. */
const struct sonde_control_service *
sonde_control_find_service(const struct sonde_control *control, struct sonde_str name);

/* --- JSON --------------------------------------------------------------------------- */

void sonde_control_write_probe(struct sonde_json_writer *out,
                               const struct sonde_control *control,
                               const struct sonde_control_probe *probe);
void sonde_control_write_process(struct sonde_json_writer *out,
                                 const struct sonde_instance *instance, int64_t now_ns);

/* What a poll is answered with; `has_news`: with the list. */
void sonde_control_write_poll(struct sonde_buf *out, const struct sonde_control *control,
                              const struct sonde_instance *instance, bool has_news);

#endif
