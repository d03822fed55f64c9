/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent_kit.h"

#include "core/wire/otlp.h"
#include "core/capture/snapshot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define REQUEST_MOST_BYTES ((size_t)4 * 1024 * 1024)

/* One request, as it was read. */
struct request {
    char *head;
    char path[64];
    char *body;
    size_t body_len;
    bool is_gzip;
};

/* One connection's thread. */
struct talk {
    struct kit_collector *collector;
    int fd;
};

/* --- Reading ------------------------------------------------------------------------------ */

/* Copies the string of "key":"…" out of flat JSON. */
static void
find_text(const char *json, const char *key, char *out, size_t size)
{
    char name[64];
    snprintf(name, sizeof(name), "\"%s\":\"", key);
    const char *at = strstr(json, name);
    out[0] = '\0';
    if (at != NULL) {
        at += strlen(name);
        snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
    }
}

static const char *
find_header(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);
    return at == NULL ? NULL : at + strlen(name);
}

static bool
inflate_body(struct request *request)
{
    char *out = malloc(REQUEST_MOST_BYTES + 1);
    z_stream stream = {.next_in = (Bytef *)request->body,
                       .avail_in = (uInt)request->body_len,
                       .next_out = (Bytef *)out,
                       .avail_out = (uInt)REQUEST_MOST_BYTES};
    inflateInit2(&stream, 15 + 16);
    int rc = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    free(request->body);
    request->body = out;
    request->body_len = stream.total_out;
    out[stream.total_out] = '\0';
    return rc == Z_STREAM_END;
}

/* Reads one request; false at the end of the connection. */
static bool
read_request(int fd, struct request *request)
{
    static const char gap[] = "\r\n\r\n";
    char *bytes = malloc(REQUEST_MOST_BYTES + 1);
    size_t len = 0, wanted = 0;
    char *end = NULL;
    memset(request, 0, sizeof(*request));
    while (end == NULL || len < wanted) {
        ssize_t got = recv(fd, bytes + len, REQUEST_MOST_BYTES - len, 0);
        if (got <= 0) {
            free(bytes);
            return false;
        }
        len += (size_t)got;
        bytes[len] = '\0';
        if (end == NULL && (end = strstr(bytes, gap)) != NULL) {
            end += strlen(gap);
            const char *length = find_header(bytes, "Content-Length: ");
            wanted = (size_t)(end - bytes);
            wanted += length == NULL ? 0 : strtoul(length, NULL, 10);
        }
    }
    request->body_len = len - (size_t)(end - bytes);
    request->body = malloc(request->body_len + 1);
    memcpy(request->body, end, request->body_len);
    request->body[request->body_len] = '\0';
    *end = '\0';
    request->head = bytes;
    sscanf(bytes, "POST %63s", request->path);
    request->is_gzip = find_header(bytes, "Content-Encoding: gzip") != NULL;
    return !request->is_gzip || inflate_body(request);
}

static void
free_request(struct request *request)
{
    free(request->head);
    free(request->body);
}

static void
answer(int fd, int status, int retry_after_s, const char *body)
{
    static _Thread_local char text[200000];
    char retry[64] = "";
    if (retry_after_s > 0) {
        snprintf(retry, sizeof(retry), "Retry-After: %d\r\n", retry_after_s);
    }
    int len =
        snprintf(text, sizeof(text), "HTTP/1.1 %d Kit\r\n%sContent-Length: %zu\r\n\r\n%s",
                 status, retry, strlen(body), body);
    send(fd, text, (size_t)len, MSG_NOSIGNAL);
}

/* --- The calls (under the lock) ----------------------------------------------------------- */

static void
await_change(struct kit_collector *collector, int64_t until_ms)
{
    int64_t left_ms = until_ms - kit_now_ms();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += left_ms / 1000;
    until.tv_nsec += (left_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (left_ms > 0) {
        pthread_cond_timedwait(&collector->changed, &collector->lock, &until);
    }
}

static void
handle_poll(struct kit_collector *collector, int fd, const struct request *request)
{
    char theirs[32], ours[32];
    find_text(request->body, "generation", theirs, sizeof(theirs));
    const char *wait = strstr(request->body, "\"wait_ms\":");
    int64_t until_ms = kit_now_ms() + (wait == NULL ? 0 : atol(wait + 10));
    collector->poll_count++;
    snprintf(collector->poll_body, sizeof(collector->poll_body), "%s", request->body);
    if (collector->poll_status != 200) {
        answer(fd, collector->poll_status, 0, "{}");
        return;
    }
    if (theirs[0] == '\0') {
        collector->fresh_poll_count++;
        collector->knows_nobody = false;
    }
    bool is_new = false;
    while (!collector->is_ending && !is_new && kit_now_ms() < until_ms) {
        snprintf(ours, sizeof(ours), "g%u", collector->generation);
        is_new = strcmp(ours, theirs) != 0;
        if (!is_new) {
            await_change(collector, until_ms);
        }
    }
    char *body = malloc(sizeof(collector->definitions) + 256);
    const struct kit_symbols *symbols = &collector->symbols;
    char wishes[128] = "";
    if (symbols->is_there) {
        snprintf(wishes, sizeof(wishes),
                 ",\"symbols\":{\"upload\":\"%s\",\"round\":%d,\"store\":\"%s\"}",
                 symbols->upload, symbols->round, symbols->store);
    }
    sprintf(body, "{\"generation\":\"%s\",\"probes\":%s%s}", ours,
            is_new ? collector->definitions : "null", wishes);
    answer(fd, 200, 0, body);
    free(body);
}

static void
handle_status(struct kit_collector *collector, int fd, const struct request *request)
{
    collector->status_count++;
    if (collector->knows_nobody) {
        answer(fd, 404, 0, "{}");
        return;
    }
    snprintf(collector->status_body, sizeof(collector->status_body), "%s", request->body);
    answer(fd, 200, 0, "{}");
}

struct intake {
    struct kit_collector *collector;
    enum { COUNT, FAIL, STORE } what;
    unsigned records;
};

static void
note_failed(struct kit_collector *collector, struct sonde_str id)
{
    char text[64];
    size_t len = strlen(collector->failed_ids);
    snprintf(text, sizeof(text), "%.*s ", (int)id.len, id.ptr);
    if (strstr(collector->failed_ids, text) == NULL) {
        snprintf(collector->failed_ids + len, sizeof(collector->failed_ids) - len, "%s",
                 text);
    }
}

static void
store(struct kit_collector *collector, const struct kit_snapshot *snapshot)
{
    for (size_t i = 0; i < collector->snapshot_count; i++) {
        if (strcmp(collector->snapshots[i].id, snapshot->id) == 0) {
            collector->snapshots[i].times++;
            return;
        }
    }
    if (collector->snapshot_count == collector->snapshot_cap) {
        collector->snapshot_cap = collector->snapshot_cap * 2 + 64;
        collector->snapshots = realloc(
            collector->snapshots, collector->snapshot_cap * sizeof(struct kit_snapshot));
    }
    collector->snapshots[collector->snapshot_count++] = *snapshot;
}

static int
take_log(void *arg, const struct sonde_otlp_log *log)
{
    struct intake *intake = arg;
    struct kit_collector *collector = intake->collector;
    struct sonde_str id =
        sonde_otlp_find_str(log->record, SONDE_OTLP_RECORD_ATTR, SONDE_ATTR_SNAPSHOT_ID);
    struct sonde_str probe =
        sonde_otlp_find_str(log->record, SONDE_OTLP_RECORD_ATTR, SONDE_ATTR_PROBE_ID);
    struct sonde_str instance =
        sonde_otlp_find_str(log->resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_INSTANCE);
    intake->records++;
    if (!sonde_str_eq(log->event_name, SONDE_STR(SONDE_OTLP_EVENT_SNAPSHOT)) ||
        id.len == 0 || probe.len == 0 || instance.len == 0) {
        return SONDE_E_SYNTAX;
    }
    if (intake->what == FAIL) {
        note_failed(collector, id);
    }
    if (intake->what != STORE) {
        return SONDE_OK;
    }
    if (log->resource.len <= sizeof(collector->last_resource)) {
        memcpy(collector->last_resource, log->resource.ptr, log->resource.len);
        collector->last_resource_len = log->resource.len;
    }
    struct kit_snapshot snapshot = {.times = 1};
    snprintf(snapshot.id, sizeof(snapshot.id), "%.*s", (int)id.len, id.ptr);
    snprintf(snapshot.probe, sizeof(snapshot.probe), "%.*s", (int)probe.len, probe.ptr);
    snprintf(snapshot.instance, sizeof(snapshot.instance), "%.*s", (int)instance.len,
             instance.ptr);
    store(collector, &snapshot);
    return SONDE_OK;
}

static void
handle_logs(struct kit_collector *collector, int fd, const struct request *request)
{
    struct sonde_str body = {request->body, request->body_len};
    struct intake intake = {.collector = collector, .what = COUNT};
    collector->logs_count++;
    collector->logs_were_gzip = request->is_gzip;
    if (sonde_otlp_logs_read(body, take_log, &intake, NULL) != SONDE_OK) {
        collector->damaged_count++;
        answer(fd, 400, 0, "");
        return;
    }
    int status = collector->logs_status;
    if (collector->most_records > 0 && intake.records > collector->most_records) {
        status = 413;
    }
    bool is_failing = status != 200 || collector->logs_mood != KIT_ANSWERS;
    collector->failed_logs_count += is_failing;
    intake.what = is_failing ? FAIL : STORE;
    sonde_otlp_logs_read(body, take_log, &intake, NULL);
    if (collector->logs_mood != KIT_ANSWERS) {
        return;
    }
    /* ExportLogsServiceResponse {partial_success {rejected_log_records: 1}} */
    answer(fd, status, collector->retry_after_s,
           collector->rejects ? "\x0A\x02\x08\x01" : "");
}

static void
handle_symbols(struct kit_collector *collector, int fd, const struct request *request)
{
    char *body = NULL;
    int status = kit_symbols_take(collector, request->body, &body);
    answer(fd, status, collector->symbols.retry_after_s, body == NULL ? "{}" : body);
    free(body);
}

static void
handle(struct kit_collector *collector, int fd, const struct request *request)
{
    bool is_logs = strcmp(request->path, "/v1/logs") == 0;
    const char *token = find_header(request->head, "Authorization: ");
    snprintf(collector->authorization, sizeof(collector->authorization), "%.*s",
             token == NULL ? 0 : (int)strcspn(token, "\r\n"), token == NULL ? "" : token);
    if (collector->mood != KIT_ANSWERS) {
        return;
    }
    if (is_logs) {
        handle_logs(collector, fd, request);
    } else if (strcmp(request->path, "/v1/symbols") == 0) {
        handle_symbols(collector, fd, request);
    } else if (strcmp(request->path, "/api/v1/agent/poll") == 0) {
        handle_poll(collector, fd, request);
    } else if (strcmp(request->path, "/api/v1/agent/status") == 0) {
        handle_status(collector, fd, request);
    } else if (strcmp(request->path, "/api/v1/agent/bye") == 0) {
        collector->bye_count++;
        snprintf(collector->bye_body, sizeof(collector->bye_body), "%s", request->body);
        answer(fd, 200, 0, "{}");
    } else {
        answer(fd, 404, 0, "{}");
    }
}

/* --- Connections -------------------------------------------------------------------------- */

static enum kit_mood
mood_for(const struct kit_collector *collector, const struct request *request)
{
    bool is_logs = strcmp(request->path, "/v1/logs") == 0;
    return is_logs && collector->mood == KIT_ANSWERS ? collector->logs_mood
                                                     : collector->mood;
}

static void *
talk_run(void *arg)
{
    struct talk talk = *(struct talk *)arg;
    struct kit_collector *collector = talk.collector;
    struct request request;
    bool goes_on = true;
    free(arg);
    while (goes_on && read_request(talk.fd, &request)) {
        pthread_mutex_lock(&collector->lock);
        enum kit_mood mood = mood_for(collector, &request);
        handle(collector, talk.fd, &request);
        while (mood == KIT_HANGS && !collector->is_ending &&
               mood_for(collector, &request) == KIT_HANGS) {
            await_change(collector, kit_now_ms() + 100);
        }
        goes_on = mood == KIT_ANSWERS && !collector->is_ending;
        pthread_mutex_unlock(&collector->lock);
        free_request(&request);
    }
    pthread_mutex_lock(&collector->lock);
    close(talk.fd);
    for (size_t i = 0; i < 256; i++) {
        if (collector->connections[i] == talk.fd) {
            collector->connections[i] = 0;
        }
    }
    collector->connection_count--;
    pthread_cond_broadcast(&collector->changed);
    pthread_mutex_unlock(&collector->lock);
    return NULL;
}

static void
begin_talk(struct kit_collector *collector, int fd)
{
    struct talk *talk = malloc(sizeof(*talk));
    pthread_t thread;
    *talk = (struct talk){collector, fd};
    pthread_mutex_lock(&collector->lock);
    size_t slot = 0;
    while (slot < 255 && collector->connections[slot] != 0) {
        slot++;
    }
    collector->connections[slot] = fd;
    collector->connection_count++;
    pthread_mutex_unlock(&collector->lock);
    if (pthread_create(&thread, NULL, talk_run, talk) != 0) {
        abort();
    }
    pthread_detach(thread);
}

static void *
listen_run(void *arg)
{
    struct kit_collector *collector = arg;
    for (;;) {
        int fd = accept(collector->listener, NULL, NULL);
        if (fd < 0 && errno != EINTR) {
            return NULL;
        }
        if (fd >= 0) {
            begin_talk(collector, fd);
        }
    }
}

static int
listen_at(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        abort();
    }
    *port = ntohs(address.sin_port);
    return fd;
}

uint16_t
kit_dead_port(void)
{
    uint16_t port = 0;
    close(listen_at(&port));
    return port;
}

void
kit_collector_start(struct kit_collector *collector, uint16_t port)
{
    static unsigned life;
    memset(collector, 0, sizeof(*collector));
    collector->port = port;
    collector->listener = listen_at(&collector->port);
    snprintf(collector->url, sizeof(collector->url), "http://127.0.0.1:%u",
             collector->port);
    collector->logs_status = 200;
    collector->poll_status = 200;
    collector->generation = 1000 * ++life; /* of no other life */
    strcpy(collector->definitions, "[]");
    pthread_mutex_init(&collector->lock, NULL);
    pthread_cond_init(&collector->changed, NULL);
    if (pthread_create(&collector->thread, NULL, listen_run, collector) != 0) {
        abort();
    }
}

void
kit_collector_stop(struct kit_collector *collector)
{
    shutdown(collector->listener, SHUT_RDWR);
    pthread_join(collector->thread, NULL);
    close(collector->listener);
    pthread_mutex_lock(&collector->lock);
    collector->is_ending = true;
    pthread_cond_broadcast(&collector->changed);
    for (size_t i = 0; i < 256; i++) {
        if (collector->connections[i] != 0) {
            shutdown(collector->connections[i], SHUT_RDWR);
        }
    }
    while (collector->connection_count > 0) {
        pthread_cond_wait(&collector->changed, &collector->lock);
    }
    pthread_mutex_unlock(&collector->lock);
    free(collector->snapshots);
    collector->snapshots = NULL;
    kit_symbols_free(&collector->symbols);
    pthread_mutex_destroy(&collector->lock);
    pthread_cond_destroy(&collector->changed);
}

/* --- Asking ------------------------------------------------------------------------------- */

void
kit_collector_publish(struct kit_collector *collector, const char *definitions)
{
    kit_with(collector, {
        snprintf(collector->definitions, sizeof(collector->definitions), "%s",
                 definitions);
        collector->generation++;
    });
}

bool
kit_collector_was_told(struct kit_collector *collector, const char *text)
{
    bool was_told;
    kit_with(collector, was_told = strstr(collector->status_body, text) != NULL);
    return was_told;
}

unsigned
kit_collector_read(struct kit_collector *collector, const unsigned *counter)
{
    unsigned value;
    kit_with(collector, value = *counter);
    return value;
}

size_t
kit_collector_snapshots(struct kit_collector *collector)
{
    size_t count;
    kit_with(collector, count = collector->snapshot_count);
    return count;
}

size_t
kit_collector_repeated(struct kit_collector *collector)
{
    size_t count = 0;
    kit_with(
        collector, for (size_t i = 0; i < collector->snapshot_count;
                        i++) { count += collector->snapshots[i].times > 1; });
    return count;
}
