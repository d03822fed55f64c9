/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols: searched and shown on the pool's threads, into an exchange that is set aside; a service's
 * setting goes through the store, then to whoever polls. */
#include "collector/api/api.h"

#include "collector/intake/symbols_intake.h"
#include "collector/store/symbol_names.h"

#define LIMIT_DEFAULT 30
#define LABEL_MAX_BYTES 255

static const char *const kind_texts[SONDE_FOUND_KINDS] = {"file", "class", "function",
                                                          "name"};

struct ask {
    struct sonde_job job; /* first */
    struct sonde_store *store;
    struct sonde_exchange *x;
    struct sonde_symbol_query query;
    struct sonde_str id;
    struct sonde_json_writer json;
};

static void
submit(struct sonde_api *api, struct sonde_exchange *x, const struct ask *wanted)
{
    struct ask *ask = sonde_arena_alloc(&x->arena, sizeof(*ask));
    if (ask == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    *ask = *wanted;
    ask->store = api->store;
    ask->x = x;
    sonde_exchange_hold(x);
    if (sonde_pool_submit(api->pool, &ask->job) != SONDE_OK) {
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_MANY_REQUESTS, NULL,
                            "too many queries are under way");
    }
}

static void
finish(struct ask *ask, int rc, const struct sonde_err *err)
{
    if (rc != SONDE_OK) {
        sonde_exchange_fail_err(ask->x, err);
    } else {
        sonde_exchange_answer(ask->x, 200, SONDE_TYPE_JSON);
    }
}

static void
put_text(struct sonde_json_writer *json, const char *key, struct sonde_str text)
{
    if (text.len > 0) {
        sonde_json_key(json, key);
        sonde_json_string(json, text);
    }
}

static void
put_number(struct sonde_json_writer *json, const char *key, uint32_t number)
{
    if (number > 0) {
        sonde_json_key(json, key);
        sonde_json_uint(json, number);
    }
}

/* --- Searching ---------------------------------------------------------------------- */

static void
put_services(struct sonde_json_writer *json, const struct sonde_found *found)
{
    sonde_json_key(json, "services");
    sonde_json_array_begin(json);
    for (size_t i = 0; i < found->service_count; i++) {
        sonde_json_string(json, found->services[i]);
    }
    sonde_json_array_end(json);
}

/* What a probe is set on. A class is no place, but a line of its body is. */
static void
put_location(struct ask *ask, const struct sonde_found *found)
{
    if (found->kind == SONDE_FOUND_FUNCTION && found->qualified.len > 0) {
        put_text(&ask->json, "location", found->qualified);
    } else if (found->kind != SONDE_FOUND_FILE && found->probe_line > 0) {
        struct sonde_buf text;
        sonde_buf_init(&text, 0);
        sonde_buf_str(&text, found->file);
        sonde_buf_printf(&text, ":%u", found->probe_line);
        put_text(&ask->json, "location", sonde_buf_view(&text));
        sonde_buf_fini(&text);
    }
}

static bool
write_symbol(void *arg, const struct sonde_found *found)
{
    struct ask *ask = arg;
    struct sonde_json_writer *json = &ask->json;
    bool is_name = found->kind == SONDE_FOUND_NAME;
    sonde_json_object_begin(json);
    put_text(json, "kind", sonde_str_from(kind_texts[found->kind]));
    put_text(json, is_name ? "symbol_type" : "scope_type",
             sonde_str_from(is_name ? sonde_names_symbol_text(found->symbol)
                                    : sonde_names_scope_text(found->scope)));
    put_text(json, "name", found->name);
    put_text(json, "qualified", found->qualified);
    put_text(json, "file", found->file);
    put_number(json, "line", found->line);
    put_number(json, "end_line", found->end_line);
    put_text(json, "origin", sonde_str_from(sonde_names_origin_text(found->origin)));
    put_text(json, "language", found->language);
    put_services(json, found);
    put_text(json, "unit", found->unit);
    put_text(json, "file_hash", found->file_hash);
    put_location(ask, found);
    sonde_json_object_end(json);
    return ask->x->answer.failed == SONDE_OK;
}

static void
run_search(struct sonde_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct sonde_err err = SONDE_ERR_INIT;
    bool has_more = false;
    sonde_json_writer_init(&ask->json, &ask->x->answer);
    sonde_json_object_begin(&ask->json);
    sonde_json_key(&ask->json, "symbols");
    sonde_json_array_begin(&ask->json);
    int rc =
        sonde_store_search(ask->store, &ask->query, &has_more, write_symbol, ask, &err);
    sonde_json_array_end(&ask->json);
    sonde_json_key(&ask->json, "total_is_more");
    sonde_json_bool(&ask->json, has_more);
    sonde_json_object_end(&ask->json);
    finish(ask, rc, &err);
}

static void
write_unit_hash(void *arg, struct sonde_str hash)
{
    struct ask *ask = arg;
    sonde_json_string(&ask->json, hash);
}

/* The file's units are read on another reader, while this one stands at the file. */
static bool
write_file(void *arg, const struct sonde_found *found)
{
    struct ask *ask = arg;
    struct sonde_json_writer *json = &ask->json;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_json_object_begin(json);
    put_text(json, "file", found->file);
    put_text(json, "origin", sonde_str_from(sonde_names_origin_text(found->origin)));
    put_text(json, "language", found->language);
    put_services(json, found);
    sonde_json_key(json, "units");
    sonde_json_array_begin(json);
    (void)sonde_store_file_units(ask->store, found->file, ask->query.service,
                                 write_unit_hash, ask, &err);
    sonde_json_array_end(json);
    put_text(json, "file_hash", found->file_hash);
    sonde_json_object_end(json);
    return ask->x->answer.failed == SONDE_OK;
}

static void
run_files(struct sonde_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct sonde_err err = SONDE_ERR_INIT;
    bool has_more = false;
    sonde_json_writer_init(&ask->json, &ask->x->answer);
    sonde_json_object_begin(&ask->json);
    sonde_json_key(&ask->json, "files");
    sonde_json_array_begin(&ask->json);
    int rc =
        sonde_store_search(ask->store, &ask->query, &has_more, write_file, ask, &err);
    sonde_json_array_end(&ask->json);
    sonde_json_object_end(&ask->json);
    finish(ask, rc, &err);
}

static struct sonde_str
trim(struct sonde_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

static int
find_kind(struct sonde_str word)
{
    for (int i = 0; i < SONDE_FOUND_KINDS; i++) {
        if (sonde_str_eq(word, sonde_str_from(kind_texts[i]))) {
            return i;
        }
    }
    return -1;
}

static int
find_origin(struct sonde_str word)
{
    enum sonde_origin origin = sonde_names_origin_read(word);
    return origin == SONDE_ORIGIN_NONE ? -1 : (int)origin;
}

/* Words with commas between, each a bit. False: answered. */
static bool
read_words(struct sonde_exchange *x, const char *param, int (*find)(struct sonde_str),
           const char *what, unsigned *out)
{
    struct sonde_str rest = sonde_exchange_param(x, param);
    *out = 0;
    while (rest.len > 0) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.ptr);
        int bit = find((struct sonde_str){rest.ptr, len});
        if (bit < 0) {
            sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, param,
                                "%s has to be %s, several with commas", param, what);
            return false;
        }
        *out |= 1u << bit;
        len += comma != NULL;
        rest = (struct sonde_str){rest.ptr + len, rest.len - len};
    }
    return true;
}

/* False: answered. */
static bool
read_query(struct sonde_symbol_query *query, struct sonde_exchange *x)
{
    int64_t limit = 0;
    query->text = trim(sonde_exchange_param(x, "q"));
    query->service = sonde_exchange_param(x, "service");
    if (query->text.len > SONDE_SYMBOL_QUERY_MAX_BYTES) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "q",
                            "q is longer than %d bytes", SONDE_SYMBOL_QUERY_MAX_BYTES);
        return false;
    }
    if (!sonde_exchange_param_int(x, "limit", 1, SONDE_SYMBOL_LIMIT_MAX, LIMIT_DEFAULT,
                                  &limit)) {
        return false;
    }
    query->limit = (size_t)limit;
    return read_words(x, "kind", find_kind, "file, class, function or name",
                      &query->kinds) &&
           read_words(x, "origin", find_origin, "user, library, standard or generated",
                      &query->origins);
}

void
sonde_api_search_symbols(void *arg, struct sonde_exchange *x)
{
    struct ask ask = {.job.run = run_search};
    if (!read_query(&ask.query, x)) {
        return;
    }
    if (ask.query.text.len == 0) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "q",
                            "q, what is to be found, is missing");
        return;
    }
    submit(arg, x, &ask);
}

void
sonde_api_search_files(void *arg, struct sonde_exchange *x)
{
    struct ask ask = {.job.run = run_files};
    if (read_query(&ask.query, x)) {
        ask.query.kinds = 1u << SONDE_FOUND_FILE;
        submit(arg, x, &ask);
    }
}

/* --- Showing ------------------------------------------------------------------------ */

static void
write_unit(void *arg, const struct sonde_unit *unit)
{
    struct ask *ask = arg;
    struct sonde_json_writer *json = &ask->json;
    sonde_json_object_begin(json);
    put_text(json, "hash", unit->hash);
    put_text(json, "file", unit->file);
    put_text(json, "origin", sonde_str_from(sonde_names_origin_text(unit->origin)));
    put_text(json, "language", unit->language);
    put_text(json, "file_hash", unit->file_hash);
    put_text(json, "file_state", unit->file_state);
    sonde_json_key(json, "part");
    sonde_json_uint(json, unit->part);
    sonde_json_key(json, "parts");
    sonde_json_uint(json, unit->parts);
    sonde_json_key(json, "scope");
    sonde_json_raw(json, unit->scope);
    sonde_json_object_end(json);
}

static void
run_unit(struct sonde_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_json_writer_init(&ask->json, &ask->x->answer);
    int rc = sonde_store_unit(ask->store, ask->id, write_unit, ask, &err);
    finish(ask, rc, &err);
}

void
sonde_api_show_unit(void *arg, struct sonde_exchange *x)
{
    struct ask ask = {.job.run = run_unit, .id = x->tail};
    submit(arg, x, &ask);
}

static void
write_source(void *arg, struct sonde_str text)
{
    struct ask *ask = arg;
    sonde_buf_str(&ask->x->answer, text);
}

static void
run_source(struct sonde_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct sonde_err err = SONDE_ERR_INIT;
    int rc = sonde_store_source(ask->store, ask->id, write_source, ask, &err);
    if (rc != SONDE_OK) {
        sonde_exchange_fail_err(ask->x, &err);
    } else {
        sonde_exchange_answer(ask->x, 200, "text/plain; charset=utf-8");
    }
}

void
sonde_api_show_source(void *arg, struct sonde_exchange *x)
{
    struct ask ask = {.job.run = run_source, .id = x->tail};
    submit(arg, x, &ask);
}

/* --- Services ----------------------------------------------------------------------- */

static void
put_service(struct sonde_json_writer *json, const struct sonde_symbol_service *service)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"round", service->round},
        {"units", service->unit_count},
        {"symbols", service->symbol_count},
        {"files", service->file_count},
        {"user_files", service->user_file_count},
        {"seen_at_ns", service->seen_at_ns},
    };
    sonde_json_object_begin(json);
    sonde_json_key(json, "service");
    sonde_json_string(json, service->name);
    sonde_json_key(json, "upload");
    sonde_json_string(json, sonde_str_from(sonde_uploading_text(service->upload)));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sonde_json_key(json, numbers[i].key);
        sonde_json_int(json, numbers[i].value);
    }
    sonde_json_object_end(json);
}

static void
write_service(void *arg, const struct sonde_symbol_service *service)
{
    struct ask *ask = arg;
    put_service(&ask->json, service);
}

static void
run_services(struct sonde_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_json_writer_init(&ask->json, &ask->x->answer);
    sonde_json_object_begin(&ask->json);
    sonde_json_key(&ask->json, "services");
    sonde_json_array_begin(&ask->json);
    int rc = sonde_store_services(ask->store, write_service, ask, &err);
    sonde_json_array_end(&ask->json);
    sonde_json_object_end(&ask->json);
    finish(ask, rc, &err);
}

void
sonde_api_list_services(void *arg, struct sonde_exchange *x)
{
    struct ask ask = {.job.run = run_services};
    submit(arg, x, &ask);
}

/* A setting on its way through the store; in x's arena. */
struct change {
    struct sonde_write write; /* first */
    struct sonde_symbol_setting setting;
    struct sonde_api *api;
    struct sonde_exchange *x;
    struct sonde_control_service *service; /* made before: nothing can fail after */
};

static void
fail_change(struct change *change, enum sonde_problem problem, const char *message)
{
    sonde_control_service_free(change->service);
    sonde_exchange_fail(change->x, problem, NULL, "%s", message);
}

static void
set_done(struct sonde_write *write, const struct sonde_err *err)
{
    struct change *change = (struct change *)write;
    const struct sonde_symbol_service *now = &change->setting.out;
    struct sonde_exchange *x = change->x;
    struct sonde_json_writer json;
    if (err->code != SONDE_OK) {
        bool is_full = err->code == SONDE_E_LIMIT;
        fail_change(change, is_full ? SONDE_PROBLEM_CONFLICT : SONDE_PROBLEM_UNAVAILABLE,
                    err->message);
        return;
    }
    sonde_json_writer_init(&json, &x->answer);
    put_service(&json, now);
    sonde_control_set_service(change->api->control, change->service, now->upload,
                              now->round);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

/* False: answered. */
static bool
read_setting(struct sonde_symbol_setting *setting, struct sonde_exchange *x)
{
    const struct sonde_json *json = sonde_exchange_json(x);
    if (json == NULL) {
        return false;
    }
    const struct sonde_json *upload = sonde_json_get(json, "upload");
    const struct sonde_json *now = sonde_json_get(json, "now");
    if (upload != NULL && upload->type != SONDE_JSON_NULL) {
        struct sonde_str word = sonde_json_get_str(json, "upload");
        for (int i = SONDE_UPLOADING_DEFAULT; i <= SONDE_UPLOADING_OFF; i++) {
            const char *text = sonde_uploading_text((enum sonde_uploading)i);
            if (sonde_str_eq(word, sonde_str_from(text))) {
                setting->sets_upload = true;
                setting->upload = (enum sonde_uploading)i;
            }
        }
        if (!setting->sets_upload) {
            sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "upload",
                                "upload has to be default, on or off");
            return false;
        }
    }
    if (now != NULL && now->type != SONDE_JSON_NULL && now->type != SONDE_JSON_BOOL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "now",
                            "now has to be true or false");
        return false;
    }
    setting->asks_anew = now != NULL && now->boolean;
    return true;
}

void
sonde_api_set_service(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    struct sonde_symbol_setting setting = {.service = x->tail};
    if (x->tail.len > LABEL_MAX_BYTES) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "service",
                            "a service's name has at most %d bytes", LABEL_MAX_BYTES);
        return;
    }
    if (!read_setting(&setting, x)) {
        return;
    }
    struct change *change = sonde_arena_alloc(&x->arena, sizeof(*change));
    struct sonde_control_service *service =
        change == NULL ? NULL : sonde_control_service_new(x->tail);
    if (service == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    *change = (struct change){
        .write = {.kind = SONDE_WRITE_SERVICE, .done = set_done},
        .setting = setting,
        .api = api,
        .x = x,
        .service = service,
    };
    change->write.setting = &change->setting;
    sonde_exchange_hold(x);
    if (sonde_store_write(api->store, &change->write) != SONDE_OK) {
        fail_change(change, SONDE_PROBLEM_UNAVAILABLE, "the store is closed");
    }
}

/* --- From agents, and at start ------------------------------------------------------- */

void
sonde_api_take_symbols(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    sonde_symbols_intake_serve(api->store, api->uploads, x);
}

static void
load_service(void *arg, const struct sonde_symbol_service *stored)
{
    struct sonde_api *api = arg;
    struct sonde_control_service *service = sonde_control_service_new(stored->name);
    if (service != NULL) { /* without memory it is as if nobody had said anything */
        sonde_control_set_service(api->control, service, stored->upload, stored->round);
    }
}

int
sonde_api_load_services(struct sonde_api *api, struct sonde_err *err)
{
    return sonde_store_services(api->store, load_service, api, err);
}
