/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/collector.h"

#include "collector/api/api.h"
#include "collector/http/listen.h"
#include "collector/http/server.h"
#include "collector/page/page.h"
#include "collector/store/sqlite/sqlite_store.h"
#include "collector/ticker.h"
#include "core/base/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_WANTED 8192 /* 2,000 connections, the store's files, and room */

struct sonde_collector {
    struct sonde_api api;
    struct sonde_router router;
    struct sonde_server *server;
    struct sonde_ticker *ticker;
    struct sonde_listen listening;
    const struct sonde_page *page;
    char *token;
};

static int64_t
tick(void *arg)
{
    struct sonde_collector *collector = arg;
    int64_t control_ns = sonde_control_tick(collector->api.control);
    int64_t hub_ns = sonde_hub_tick(collector->api.hub);
    int64_t server_ns = sonde_server_tick(collector->server);
    int64_t next_ns = control_ns < hub_ns ? control_ns : hub_ns;
    return server_ns < next_ns ? server_ns : next_ns;
}

static void
hurry(void *arg, int64_t at_ns)
{
    struct sonde_collector *collector = arg;
    if (collector->ticker != NULL) { /* NULL while the probes are loaded */
        sonde_ticker_hurry(collector->ticker, at_ns);
    }
}

/* Many systems let a process have 1,024 files unless it asks. */
static void
raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_WANTED) {
        limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int
start_parts(struct sonde_collector *collector,
            const struct sonde_collector_options *options, struct sonde_err *err)
{
    struct sonde_api *api = &collector->api;
    struct sonde_sqlite_options store = {
        .dir = options->data_dir,
        .keep_days = options->keep_days == 0 ? SONDE_COLLECTOR_DEFAULT_KEEP_DAYS
                                             : options->keep_days,
        .queue_bytes = options->queue_bytes,
    };
    int rc = sonde_sqlite_store_open(&api->store, &store, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    if (sonde_hub_new(&api->hub) != SONDE_OK ||
        sonde_intake_new(&api->intake, api->store, api->hub) != SONDE_OK ||
        sonde_control_new(&api->control, hurry, collector) != SONDE_OK) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    sonde_control_use_store(api->control, api->store);
    rc = sonde_pool_new(&api->pool, err);
    if (rc == SONDE_OK) {
        rc = sonde_pool_new(&api->uploads, err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_api_load_probes(api, err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_api_load_services(api, err);
    }
    return rc;
}

static int
start_serving(struct sonde_collector *collector, struct sonde_err *err)
{
    collector->router = (struct sonde_router){
        .sets = {{sonde_api_routes, sonde_api_route_count, &collector->api},
                 {sonde_page_routes, sonde_page_route_count, (void *)collector->page}},
        .token = collector->token,
        .host = collector->listening.host,
    };
    /* All is in its place before the first thread can ask for it. */
    collector->server = sonde_server_new(&collector->router);
    if (collector->server == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    int rc = sonde_ticker_new(&collector->ticker, tick, collector, err);
    if (rc == SONDE_OK) {
        rc = sonde_server_start(collector->server, collector->listening.fd, err);
    }
    if (rc == SONDE_OK) {
        collector->listening.fd = -1; /* the server's now */
    }
    return rc;
}

int
sonde_collector_start(struct sonde_collector **out,
                      const struct sonde_collector_options *options,
                      struct sonde_err *err)
{
    struct sonde_collector *collector = sonde_calloc(1, sizeof(*collector));
    if (collector == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    collector->listening.fd = -1;
    collector->page = options->page;
    collector->token = sonde_strdup(sonde_str_from(options->token));
    raise_file_limit();
    int rc = collector->token == NULL
                 ? sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory")
                 : SONDE_OK;
    if (rc == SONDE_OK) {
        rc = sonde_listen_open(&collector->listening,
                               options->listen == NULL ? SONDE_COLLECTOR_DEFAULT_LISTEN
                                                       : options->listen,
                               collector->token[0] != '\0', err);
    }
    if (rc == SONDE_OK) {
        rc = start_parts(collector, options, err);
    }
    if (rc == SONDE_OK) {
        rc = start_serving(collector, err);
    }
    if (rc != SONDE_OK) {
        sonde_collector_stop(collector);
        return rc;
    }
    *out = collector;
    return SONDE_OK;
}

void
sonde_collector_stop(struct sonde_collector *collector)
{
    if (collector == NULL) {
        return;
    }
    struct sonde_api *api = &collector->api;
    /* First nothing new, then whoever waits for news, then whoever waits for the disk. */
    if (collector->server != NULL) {
        sonde_server_close(collector->server);
        sonde_control_close(api->control);
        sonde_hub_close(api->hub);
        sonde_server_stop(collector->server);
    }
    sonde_ticker_free(collector->ticker);
    sonde_server_free(collector->server);
    sonde_pool_free(api->uploads);
    sonde_pool_free(api->pool);
    if (api->store != NULL) {
        sonde_store_close(api->store);
    }
    sonde_control_free(api->control);
    sonde_intake_free(api->intake);
    sonde_hub_free(api->hub);
    if (collector->listening.fd >= 0) {
        close(collector->listening.fd);
    }
    sonde_free(collector->token);
    sonde_free(collector);
}

const char *
sonde_collector_url(const struct sonde_collector *collector)
{
    return collector->listening.url;
}

int
sonde_collector_run(const struct sonde_collector_options *options, struct sonde_err *err)
{
    struct sonde_collector *collector = NULL;
    sigset_t ends;
    int taken = 0;
    /* Before any thread starts, so that all of them inherit it. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    int rc = sonde_collector_start(&collector, options, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    if (options->ready != NULL) {
        options->ready(options->ready_arg, sonde_collector_url(collector));
    } else {
        printf("listening on %s\n", sonde_collector_url(collector));
        fflush(stdout);
    }
    while (sigwait(&ends, &taken) != 0) {
        continue; /* interrupted */
    }
    sonde_collector_stop(collector);
    return SONDE_OK;
}
