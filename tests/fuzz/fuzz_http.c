/* SPDX-License-Identifier: Apache-2.0
 *
 * The collector from the router on, without sockets and files: any requests are answered,
 * each exactly once, with a status of ours and, where the type says JSON, with JSON.
 *
 * The input is requests apart by four bytes 0x1e, each "METHOD TARGET", lines of headers,
 * an empty line and a body. They share one collector, so polls, reports and probes
 * meet. */
#include "collector/api/api.h"
#include "collector/page/page.h"
#include "core/base/alloc.h"
#include "core/base/lock.h"
#include "core/base/log.h"

#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 16
#define HEADERS_MAX 16
#define ROWS_MAX 8

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct sonde_str separator = {"\x1e\x1e\x1e\x1e", 4};

/* --- A store in memory -------------------------------------------------------------- */

struct kept {
    struct sonde_arena arena;
    struct sonde_row row;
};

struct memory {
    struct sonde_store base; /* first */
    struct sonde_lock lock;
    struct kept kept[ROWS_MAX]; /* a ring; the newest at count - 1 */
    size_t count;
    uint32_t revision;
};

static struct sonde_str
copy_str(struct sonde_arena *arena, struct sonde_str text)
{
    char *copy = sonde_arena_strdup(arena, text);
    MUST(copy != NULL);
    return (struct sonde_str){copy, text.len};
}

static void
keep(struct memory *memory, const struct sonde_row *row)
{
    struct kept *kept = &memory->kept[memory->count++ % ROWS_MAX];
    sonde_arena_fini(&kept->arena);
    sonde_arena_init(&kept->arena, 0);
    kept->row = (struct sonde_row){
        .id = copy_str(&kept->arena, row->id),
        .probe_id = copy_str(&kept->arena, row->probe_id),
        .service = copy_str(&kept->arena, row->service),
        .time_ns = row->time_ns,
        .trace_id = copy_str(&kept->arena, row->trace_id),
        .span_id = copy_str(&kept->arena, row->span_id),
        .resource = copy_str(&kept->arena, row->resource),
        .packed = copy_str(&kept->arena, row->packed),
    };
}

static int
memory_write(struct sonde_store *store, struct sonde_write *write)
{
    struct memory *memory = (struct memory *)store;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_lock_take(&memory->lock);
    for (size_t i = 0; i < write->row_count; i++) {
        keep(memory, &write->rows[i]);
        write->is_new[i] = true;
    }
    write->probe.revision = ++memory->revision;
    write->probe.created_at_ns = memory->revision;
    for (size_t i = 0; write->upload != NULL && i < write->upload->unit_count; i++) {
        write->upload->units[i].is_missing = write->upload->units[i].scope.len == 0;
        write->upload->units[i].lacks_source = true;
    }
    if (write->setting != NULL) {
        write->setting->out = (struct sonde_symbol_service){
            .name = write->setting->service,
            .upload = write->setting->upload,
            .round = write->setting->asks_anew,
        };
    }
    sonde_lock_drop(&memory->lock);
    write->done(write, &err);
    return SONDE_OK;
}

static int
memory_list(struct sonde_store *store, const struct sonde_query *query, sonde_row_fn *fn,
            void *arg, struct sonde_err *err)
{
    struct memory *memory = (struct memory *)store;
    (void)err;
    sonde_lock_take(&memory->lock);
    for (size_t i = 0; i < memory->count && i < ROWS_MAX && i < query->limit; i++) {
        MUST(fn(arg, &memory->kept[i].row));
    }
    sonde_lock_drop(&memory->lock);
    return SONDE_OK;
}

static int
memory_get(struct sonde_store *store, struct sonde_str id, sonde_row_fn *fn, void *arg,
           struct sonde_err *err)
{
    struct memory *memory = (struct memory *)store;
    int rc = SONDE_E_NOTFOUND;
    sonde_lock_take(&memory->lock);
    for (size_t i = 0; i < memory->count && i < ROWS_MAX && rc != SONDE_OK; i++) {
        if (sonde_str_eq(memory->kept[i].row.id, id)) {
            fn(arg, &memory->kept[i].row);
            rc = SONDE_OK;
        }
    }
    sonde_lock_drop(&memory->lock);
    return rc == SONDE_OK ? rc : sonde_err_set(err, rc, NULL, "no such snapshot");
}

/* A search finds what was searched for. */
static int
memory_search(struct sonde_store *store, const struct sonde_symbol_query *query,
              bool *has_more, sonde_found_fn *fn, void *arg, struct sonde_err *err)
{
    struct sonde_found found = {.kind = SONDE_FOUND_FUNCTION,
                                .scope = SONDE_SCOPE_METHOD,
                                .name = query->text,
                                .file = query->text,
                                .origin = SONDE_ORIGIN_USER,
                                .probe_line = 3,
                                .services = &query->service,
                                .service_count = 1};
    (void)store, (void)err;
    MUST(query->limit > 0);
    *has_more = !fn(arg, &found);
    return SONDE_OK;
}

static int
memory_text(struct sonde_store *store, struct sonde_str hash, sonde_text_fn *fn,
            void *arg, struct sonde_err *err)
{
    (void)store, (void)err;
    fn(arg, hash);
    return SONDE_OK;
}

static int
memory_file_units(struct sonde_store *store, struct sonde_str file,
                  struct sonde_str service, sonde_text_fn *fn, void *arg,
                  struct sonde_err *err)
{
    (void)service;
    return memory_text(store, file, fn, arg, err);
}

static int
memory_unit(struct sonde_store *store, struct sonde_str hash, sonde_unit_fn *fn,
            void *arg, struct sonde_err *err)
{
    struct sonde_unit unit = {
        .hash = hash, .origin = SONDE_ORIGIN_USER, .scope = SONDE_STR("{}")};
    (void)store, (void)err;
    fn(arg, &unit);
    return SONDE_OK;
}

static int
memory_services(struct sonde_store *store, sonde_service_fn *fn, void *arg,
                struct sonde_err *err)
{
    struct sonde_symbol_service service = {.name = SONDE_STR("shop")};
    (void)store, (void)err;
    fn(arg, &service);
    return SONDE_OK;
}

static uint64_t
memory_symbols_id(struct sonde_store *store)
{
    (void)store;
    return 7;
}

static const struct sonde_store_ops memory_ops = {
    .write = memory_write,
    .list = memory_list,
    .get = memory_get,
    .search = memory_search,
    .file_units = memory_file_units,
    .unit = memory_unit,
    .source = memory_text,
    .services = memory_services,
    .symbols_id = memory_symbols_id,
};

/* --- A transport that is none ------------------------------------------------------- */

struct request {
    struct sonde_exchange x; /* first */
    struct sonde_str names[HEADERS_MAX], values[HEADERS_MAX];
    size_t header_count;
    int suspended; /* guarded by calm.lock */
};

static struct {
    struct sonde_lock lock;
    struct sonde_cond cond;
} calm;

static struct sonde_str
get_header(struct sonde_exchange *x, const char *name)
{
    struct request *request = (struct request *)x;
    for (size_t i = 0; i < request->header_count; i++) {
        struct sonde_str found = request->names[i];
        if (found.len == strlen(name) && strncasecmp(found.ptr, name, found.len) == 0) {
            return request->values[i];
        }
    }
    return (struct sonde_str){NULL, 0};
}

static void
change_suspended(struct sonde_exchange *x, int by)
{
    struct request *request = (struct request *)x;
    sonde_lock_take(&calm.lock);
    request->suspended += by;
    MUST(request->suspended == 0 || request->suspended == 1);
    sonde_cond_wake_all(&calm.cond);
    sonde_lock_drop(&calm.lock);
}

static void
suspend(struct sonde_exchange *x)
{
    change_suspended(x, 1);
}

static void
resume(struct sonde_exchange *x)
{
    change_suspended(x, -1);
}

static const struct sonde_transport transport = {get_header, suspend, resume};

/* --- Requests ----------------------------------------------------------------------- */

static struct sonde_str
cut(struct sonde_str *rest, struct sonde_str at)
{
    const char *found = memmem(rest->ptr, rest->len, at.ptr, at.len);
    struct sonde_str head = *rest;
    if (found == NULL) {
        *rest = (struct sonde_str){"", 0};
        return head;
    }
    head.len = (size_t)(found - rest->ptr);
    rest->ptr += head.len + at.len;
    rest->len -= head.len + at.len;
    return head;
}

static void
begin(struct request *request, const struct sonde_router *router, struct sonde_str text)
{
    struct sonde_exchange *x = &request->x;
    struct sonde_str target = cut(&text, SONDE_STR("\n"));
    struct sonde_str method = cut(&target, SONDE_STR(" "));
    struct sonde_str line;
    while ((line = cut(&text, SONDE_STR("\n"))).len > 0) {
        struct sonde_str value = line;
        if (request->header_count < HEADERS_MAX) {
            request->names[request->header_count] = cut(&value, SONDE_STR(": "));
            request->values[request->header_count++] = value;
        }
    }
    MUST(sonde_exchange_init(x, &transport, NULL, method, target) == SONDE_OK);
    sonde_router_admit(router, x);
    if (x->is_answered) {
        return;
    }
    /* What the server would have done with the body. */
    if (text.len > x->route->body_bytes) {
        text.len = x->route->body_bytes;
    }
    sonde_buf_append(&x->body, text.ptr, text.len);
    sonde_router_serve(x);
}

static void
read_stream(struct sonde_exchange *x)
{
    char out[97];
    int64_t len;
    while ((len = x->stream.read(x->stream.arg, out, sizeof(out))) > 0) {
        MUST(len <= (int64_t)sizeof(out));
    }
}

static void
check_answer(const struct sonde_exchange *x)
{
    struct sonde_arena arena;
    const struct sonde_json *json = NULL;
    MUST(x->is_answered && x->status >= 200 && x->status < 600);
    MUST(x->content_type != NULL || x->answer.len == 0 || x->status == 304);
    if (x->stream.read != NULL || x->answer.len == 0 || x->content_type == NULL ||
        strcmp(x->content_type, SONDE_TYPE_JSON) != 0) {
        return;
    }
    sonde_arena_init(&arena, 0);
    MUST(sonde_json_read(&json, &arena, sonde_buf_view(&x->answer), NULL) == SONDE_OK);
    MUST(x->status < 300 || x->is_otlp || sonde_json_get(json, "error") != NULL);
    sonde_arena_fini(&arena);
}

/* Held ones were told to end by now. */
static void
finish(struct request *request)
{
    struct sonde_exchange *x = &request->x;
    sonde_lock_take(&calm.lock);
    while (request->suspended > 0) {
        sonde_cond_wait(&calm.cond, &calm.lock, -1);
    }
    sonde_lock_drop(&calm.lock);
    check_answer(x);
    if (x->stream.close != NULL) {
        read_stream(x);
        x->stream.close(x->stream.arg);
    }
    sonde_exchange_fini(x);
}

static void
hurry(void *arg, int64_t at_ns)
{
    (void)arg, (void)at_ns;
}

static const struct sonde_page_file page_files[] = {
    {"index.html", "text/html", "W/\"1\"", {"<html>", 6}, {"\x1f\x8b", 2}},
    {"assets/a.js", "text/javascript", "W/\"2\"", {"1", 1}, {NULL, 0}},
};
static const struct sonde_page page = {page_files, 2};

static void
serve(struct sonde_api *api, struct sonde_str input)
{
    static const char *const tokens[] = {NULL, "token"};
    struct request *requests = calloc(REQUESTS_MAX, sizeof(*requests));
    struct sonde_router router = {
        .sets = {{sonde_api_routes, sonde_api_route_count, api},
                 {sonde_page_routes, sonde_page_route_count, (void *)&page}},
        .token = tokens[input.len > 0 && input.ptr[0] == '!'],
        .host = "10.1.2.3"};
    size_t count = 0;
    MUST(requests != NULL);
    while (input.len > 0 && count < REQUESTS_MAX) {
        begin(&requests[count], &router, cut(&input, separator));
        if (requests[count].x.stream.read != NULL) {
            read_stream(&requests[count].x);
        }
        count++;
        (void)sonde_control_tick(api->control);
        (void)sonde_hub_tick(api->hub);
    }
    sonde_control_close(api->control);
    sonde_hub_close(api->hub);
    for (size_t i = 0; i < count; i++) {
        finish(&requests[i]);
    }
    free(requests);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sonde_pool *pool;
    struct memory memory = {.base.ops = &memory_ops};
    struct sonde_api api = {.store = &memory.base};
    if (pool == NULL) {
        sonde_log_set_level(SONDE_LOG_OFF);
        sonde_lock_init(&calm.lock, SONDE_RANK_LOG);
        sonde_cond_init(&calm.cond);
        MUST(sonde_pool_new(&pool, NULL) == SONDE_OK);
    }
    api.pool = pool;
    api.uploads = pool;
    sonde_lock_init(&memory.lock, SONDE_RANK_STORE);
    MUST(sonde_hub_new(&api.hub) == SONDE_OK);
    MUST(sonde_intake_new(&api.intake, api.store, api.hub) == SONDE_OK);
    MUST(sonde_control_new(&api.control, hurry, NULL) == SONDE_OK);
    sonde_control_use_store(api.control, api.store);
    serve(&api, (struct sonde_str){(const char *)data, size});
    sonde_control_free(api.control);
    sonde_intake_free(api.intake);
    sonde_hub_free(api.hub);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        sonde_arena_fini(&memory.kept[i].arena);
    }
    sonde_lock_fini(&memory.lock);
    return 0;
}
