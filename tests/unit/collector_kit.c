/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/collector_kit.h"

#include "core/capture/snapshot.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* --- Life --------------------------------------------------------------------------- */

void
kit_init(struct kit *kit)
{
    *kit = (struct kit){.listen = "127.0.0.1:0"};
    snprintf(kit->dir, sizeof(kit->dir), "/tmp/sonde-test-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
}

void
kit_start(struct kit *kit)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_collector_options options = {.listen = kit->listen,
                                              .data_dir = kit->dir,
                                              .token = kit->token,
                                              .queue_bytes = kit->queue_bytes,
                                              .page = kit->page};
    if (sonde_collector_start(&kit->collector, &options, &err) != SONDE_OK) {
        fail_msg("the collector did not start: %s: %s", err.where, err.message);
    }
    kit->port = atoi(strrchr(sonde_collector_url(kit->collector), ':') + 1);
}

void
kit_stop(struct kit *kit)
{
    sonde_collector_stop(kit->collector);
    kit->collector = NULL;
}

void
kit_fini(struct kit *kit)
{
    kit_stop(kit);
    DIR *dir = opendir(kit->dir);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", kit->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(kit->dir);
}

/* --- HTTP --------------------------------------------------------------------------- */

void
kit_reply_fini(struct reply *reply)
{
    sonde_buf_fini(&reply->head);
    sonde_buf_fini(&reply->body);
    sonde_arena_fini(&reply->arena);
    reply->json = NULL;
}

const char *
kit_reply_header(const struct reply *reply, const char *name)
{
    static _Thread_local char value[256];
    size_t len = strlen(name);
    for (const char *at = reply->head.data; at != NULL; at = strstr(at, "\r\n")) {
        at += at[0] == '\r' ? 2 : 0;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + len + 2, "\r"),
                     at + len + 2);
            return value;
        }
    }
    return NULL;
}

int
kit_connect(const struct kit *kit)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 30};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)kit->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void
kit_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0) {
            return; /* refused early: the answer tells */
        }
        at += sent;
        len -= (size_t)sent;
    }
}

bool
kit_receive(int fd, struct reply *out)
{
    char *end = NULL;
    size_t wanted = 0;
    *out = (struct reply){0};
    sonde_buf_init(&out->head, 0);
    sonde_buf_init(&out->body, 0);
    sonde_arena_init(&out->arena, 0);
    struct sonde_buf all;
    sonde_buf_init(&all, 0);
    while (end == NULL || all.len < wanted) {
        char *room = sonde_buf_reserve(&all, 65536);
        ssize_t got = recv(fd, room, 65536, 0);
        if (got <= 0) {
            sonde_buf_fini(&all);
            return false;
        }
        all.len += (size_t)got;
        sonde_buf_cstr(&all);
        end = end == NULL ? strstr(all.data, "\r\n\r\n") : all.data + out->head.len - 4;
        if (end != NULL && out->head.len == 0) {
            sonde_buf_append(&out->head, all.data, (size_t)(end - all.data) + 4);
            sonde_buf_cstr(&out->head);
            const char *length = kit_reply_header(out, "Content-Length");
            bool has_body = length != NULL && atoi(all.data + 9) != 304;
            wanted = out->head.len + (has_body ? strtoul(length, NULL, 10) : 0);
        }
    }
    out->status = atoi(all.data + 9);
    sonde_buf_append(&out->body, all.data + out->head.len, all.len - out->head.len);
    sonde_buf_cstr(&out->body);
    sonde_buf_fini(&all);
    if (out->body.len > 0 && out->body.data[0] == '{') {
        assert_int_equal(
            sonde_json_read(&out->json, &out->arena, sonde_buf_view(&out->body), NULL),
            0);
    }
    return true;
}

void
kit_call(const struct kit *kit, struct reply *out, const char *method, const char *path,
         const char *headers, struct sonde_str body)
{
    struct sonde_buf head;
    int fd = kit_connect(kit);
    sonde_buf_init(&head, 0);
    sonde_buf_printf(&head, "%s %s HTTP/1.1\r\n", method, path);
    if (headers == NULL || strstr(headers, "Host:") == NULL) {
        sonde_buf_printf(&head, "Host: 127.0.0.1:%d\r\n", kit->port);
    }
    sonde_buf_printf(&head, "%sContent-Length: %zu\r\n\r\n",
                     headers == NULL ? "" : headers, body.len);
    kit_send(fd, head.data, head.len);
    kit_send(fd, body.ptr, body.len);
    if (!kit_receive(fd, out)) {
        fail_msg("%s %s: the connection ended without an answer", method, path);
    }
    close(fd);
    sonde_buf_fini(&head);
}

void
kit_get(const struct kit *kit, struct reply *out, const char *path)
{
    kit_call(kit, out, "GET", path, NULL, SONDE_STR(""));
}

void
kit_post(const struct kit *kit, struct reply *out, const char *path, const char *json)
{
    kit_call(kit, out, "POST", path, "Content-Type: application/json\r\n",
             sonde_str_from(json));
}

void
kit_delete(const struct kit *kit, struct reply *out, const char *path)
{
    kit_call(kit, out, "DELETE", path, NULL, SONDE_STR(""));
}

/* --- Asserting ---------------------------------------------------------------------- */

void
kit_assert_str(const struct sonde_json *object, const char *key, const char *expected)
{
    struct sonde_str value = sonde_json_get_str(object, key);
    if (!sonde_str_eq(value, sonde_str_from(expected))) {
        fail_msg("%s is \"%.*s\", not \"%s\"", key, (int)value.len, value.ptr, expected);
    }
}

void
kit_assert_error(const struct reply *reply, int status, const char *code,
                 const char *field)
{
    const struct sonde_json *error = sonde_json_get(reply->json, "error");
    if (reply->status != status || error == NULL) {
        fail_msg("%d %s, not %d %s", reply->status, reply->body.data, status, code);
    }
    assert_string_equal(kit_reply_header(reply, "Content-Type"), "application/json");
    kit_assert_str(error, "code", code);
    assert_true(sonde_json_get_str(error, "message").len > 0);
    if (field == NULL) {
        assert_null(sonde_json_get(error, "field"));
    } else {
        kit_assert_str(error, "field", field);
    }
}

/* --- Snapshots ---------------------------------------------------------------------- */

static void
add_body(struct sonde_buf *out, const char *value)
{
    struct sonde_otlp_nest body = sonde_otlp_kvlist_begin(out, SONDE_OTLP_RECORD_BODY);
    size_t stack = sonde_otlp_member_begin(out, SONDE_STR("stack"));
    sonde_otlp_nest_end(out, sonde_otlp_array_begin(out, SONDE_OTLP_MEMBER_VALUE));
    sonde_otlp_member_end(out, stack);
    size_t captures = sonde_otlp_member_begin(out, SONDE_STR("captures"));
    struct sonde_otlp_nest nest = sonde_otlp_kvlist_begin(out, SONDE_OTLP_MEMBER_VALUE);
    size_t member = sonde_otlp_member_begin(out, SONDE_STR("entry"));
    sonde_otlp_any_str(out, SONDE_OTLP_MEMBER_VALUE, sonde_str_from(value));
    sonde_otlp_member_end(out, member);
    sonde_otlp_nest_end(out, nest);
    sonde_otlp_member_end(out, captures);
    sonde_otlp_nest_end(out, body);
}

void
kit_logs(struct sonde_buf *out, const char *prefix, int count, const char *probe_id,
         const char *service, int64_t time_ns)
{
    static const unsigned char trace_id[16] = {0xab, 1};
    static const unsigned char span_id[8] = {0xcd, 2};
    struct sonde_buf resource;
    struct sonde_otlp_request request;
    sonde_buf_init(&resource, 0);
    const uint32_t of_resource = SONDE_OTLP_RESOURCE_ATTR;
    sonde_otlp_attr_str(&resource, of_resource, SONDE_ATTR_SERVICE,
                        sonde_str_from(service));
    sonde_otlp_attr_str(&resource, of_resource, SONDE_ATTR_ENV, SONDE_STR("test"));
    sonde_otlp_attr_str(&resource, of_resource, SONDE_ATTR_LANGUAGE, SONDE_STR("python"));
    sonde_otlp_attr_int(&resource, of_resource, SONDE_ATTR_PID, 77);
    sonde_otlp_request_begin(&request, out, sonde_buf_view(&resource));
    for (int i = 0; i < count; i++) {
        char id[64];
        const uint32_t attr = SONDE_OTLP_RECORD_ATTR;
        snprintf(id, sizeof(id), "%s-%d", prefix, i);
        size_t record =
            sonde_otlp_record_begin(&request, time_ns + i * INT64_C(1000000), time_ns,
                                    SONDE_OTLP_EVENT_SNAPSHOT, trace_id, span_id);
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_SNAPSHOT_ID, sonde_str_from(id));
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_PROBE_ID, sonde_str_from(probe_id));
        sonde_otlp_attr_int(out, attr, SONDE_ATTR_PROBE_REVISION, 3);
        sonde_otlp_attr_int(out, attr, SONDE_ATTR_DURATION_NS, 1234);
        sonde_otlp_attr_int(out, attr, SONDE_ATTR_SUSPENDED_NS, 1200);
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_OUTCOME, SONDE_STR("closed"));
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_FILE, SONDE_STR("/srv/app.py"));
        sonde_otlp_attr_int(out, attr, SONDE_ATTR_LINE, 42);
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_FUNCTION, SONDE_STR("f"));
        sonde_otlp_attr_int(out, attr, SONDE_ATTR_THREAD_ID, 9);
        sonde_otlp_attr_str(out, attr, SONDE_ATTR_THREAD_NAME, SONDE_STR("main"));
        add_body(out, id);
        sonde_otlp_record_end(&request, record);
    }
    sonde_otlp_request_end(&request);
    sonde_buf_fini(&resource);
    assert_int_equal(out->failed, SONDE_OK);
}

void
kit_store(const struct kit *kit, const char *prefix, int count, const char *probe_id,
          const char *service, int64_t time_ns)
{
    struct sonde_buf body;
    struct reply reply;
    sonde_buf_init(&body, 0);
    kit_logs(&body, prefix, count, probe_id, service, time_ns);
    kit_call(kit, &reply, "POST", "/v1/logs", "Content-Type: application/x-protobuf\r\n",
             sonde_buf_view(&body));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 0);
    kit_reply_fini(&reply);
    sonde_buf_fini(&body);
}

size_t
kit_list(const struct kit *kit, const char *query, char *ids, size_t size)
{
    char path[256];
    struct reply reply;
    size_t len = 0;
    snprintf(path, sizeof(path), "/api/v1/snapshots%s", query);
    kit_get(kit, &reply, path);
    if (reply.status != 200) {
        fail_msg("%s: %d %s", path, reply.status, reply.body.data);
    }
    const struct sonde_json *list = sonde_json_get(reply.json, "snapshots");
    assert_non_null(list);
    size_t count = list->count;
    ids[0] = '\0';
    for (const struct sonde_json *at = list->first; at != NULL && len < size;
         at = at->next) {
        struct sonde_str id = sonde_json_get_str(at, "id");
        len += (size_t)snprintf(ids + len, size - len, "%s%.*s", len == 0 ? "" : " ",
                                (int)id.len, id.ptr);
    }
    kit_reply_fini(&reply);
    return count;
}
