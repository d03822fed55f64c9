/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/symbols_reader.h"

#include "collector/store/sqlite/symbols_file.h"
#include "collector/store/sqlite/symbols_sql.h"
#include "collector/store/symbol_words.h"
#include "core/base/alloc.h"
#include "core/base/sha1.h"

#include <stdlib.h>

/* A tier is left after so many names whose keys promised too much: its time is bounded. */
#define MISFITS_MAX 600
#define LAST_MISFITS_MAX 1500 /* where nothing follows */
/* If all that is found anywhere in a name is no more than this beyond the limit, then that one pass
 * has found what all the tiers would have. */
#define SPARE_HITS 150

/* X(NAME, SQL). */
#define READ_LIST(X)                                                                    \
    X(BEGIN, "BEGIN")                                                                   \
    X(COMMIT, "COMMIT")                                                                 \
    X(SERVICE_ID, "SELECT id FROM service WHERE name = ?1")                             \
    X(SERVICES, "SELECT " SONDE_SERVICE_COLUMNS " FROM service ORDER BY name")          \
    X(MATCH, "SELECT rowid FROM keys WHERE keys MATCH ?1 AND rowid BETWEEN ?2 AND ?3"   \
             " ORDER BY rowid")                                                         \
    X(NAME, "SELECT name, qualified, sum FROM name WHERE id = ?1")                      \
    X(FOUND, "SELECT n.kind, n.type, n.name, n.qualified, f.path, u.language,"          \
             " lower(hex(u.hash)), lower(hex(u.file_hash)), n.line, n.end_line,"        \
             " n.probe_line, u.origin FROM name n JOIN unit u ON u.id = n.unit"         \
             " JOIN file f ON f.id = u.file WHERE n.id = ?1")                           \
    X(FILE_UNITS,                                                                       \
      "SELECT lower(hex(u.hash)), u.part, u.parts, u.file_hash"                         \
      " FROM file f JOIN unit u ON u.file = f.id JOIN held h ON h.unit = u.id"          \
      " JOIN holder o ON o.id = h.holder JOIN service s ON s.id = o.service"            \
      " WHERE f.path = ?1 AND (?2 = '' OR s.name = ?2)"                                 \
      " GROUP BY u.id ORDER BY max(h.seen_s) DESC, u.id DESC")                          \
    X(UNIT, "SELECT lower(hex(u.hash)), f.path, lower(hex(u.file_hash)), u.file_state," \
            " u.language, u.origin, u.part, u.parts, u.scope FROM unit u"               \
            " JOIN file f ON f.id = u.file WHERE u.hash = ?1")                          \
    X(SOURCE, "SELECT text FROM source WHERE hash = ?1")

enum {
#define READ_ENUM(name, sql) READ_##name,
    READ_LIST(READ_ENUM)
#undef READ_ENUM
        READS,
};

static const char *const sql_texts[] = {
#define READ_SQL(name, sql) sql,
    READ_LIST(READ_SQL)
#undef READ_SQL
};

_Static_assert(READS <= SONDE_SYMBOLS_READS_MAX, "room for every statement");

int
sonde_symbols_reader_new(struct sonde_symbols_reader **out, const char *dir,
                         struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    struct sonde_symbols_reader *reader = sonde_calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    sonde_symbols_path(path, sizeof(path), dir);
    int rc = sonde_db_open_to_read(&reader->db, path, &sonde_symbols_kind, err);
    if (rc == SONDE_OK) {
        rc = sonde_db_exec(&reader->db, "PRAGMA cache_size = -32768", err);
    }
    for (size_t i = 0; i < READS && rc == SONDE_OK; i++) {
        rc = sonde_db_prepare(&reader->db, &reader->statements[i], sql_texts[i], err);
    }
    if (rc != SONDE_OK) {
        sonde_symbols_reader_free(reader);
        return rc == SONDE_E_NOTFOUND ? sonde_err_set(err, SONDE_E_IO, NULL,
                                                      "%s: there is no such file", path)
                                      : rc;
    }
    *out = reader;
    return SONDE_OK;
}

void
sonde_symbols_reader_free(struct sonde_symbols_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (size_t i = 0; i < READS; i++) {
        sqlite3_finalize(reader->statements[i]);
    }
    sonde_db_close(&reader->db);
    sonde_free(reader);
}

/* What a statement that has been stepped for the last time means; resets it. */
static int
end(struct sonde_symbols_reader *reader, sqlite3_stmt *statement, int step,
    struct sonde_err *err)
{
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? SONDE_OK
                                                       : sonde_db_fault(&reader->db, err);
    sqlite3_reset(statement);
    return rc;
}

/* Everything of one question is as of one moment. */
static int
begin(struct sonde_symbols_reader *reader, struct sonde_err *err)
{
    sqlite3_stmt *statement = reader->statements[READ_BEGIN];
    return end(reader, statement, sqlite3_step(statement), err);
}

static int
commit(struct sonde_symbols_reader *reader, int rc)
{
    sqlite3_stmt *statement = reader->statements[READ_COMMIT];
    (void)end(reader, statement, sqlite3_step(statement), NULL);
    return rc;
}

/* --- Searching ------------------------------------------------------------------------ */

struct hit {
    int64_t id;
    int64_t sum; /* what it is, in any service */
    enum sonde_tier tier;
};

struct search {
    struct sonde_symbols_reader *reader;
    const struct sonde_symbol_query *query;
    struct sonde_buf match;
    struct hit *hits; /* of all services so far */
    size_t count, cap;
    size_t first; /* of the service that is being searched */
    size_t most;  /* hits of it that are wanted */
    int64_t service;
    bool is_cut; /* some of it was not looked at */
};

#define SERVICE_OF(id) ((id) >> SONDE_NAME_SERVICE_SHIFT)
/* Origin and length: the same of a name in every service. */
#define PLACE_OF(id) \
    (((id) & ((INT64_C(1) << SONDE_NAME_SERVICE_SHIFT) - 1)) >> SONDE_NAME_NUMBER_BITS)

static bool
is_full(const struct search *search)
{
    return search->count - search->first >= search->most;
}

static bool
has_hit(const struct search *search, int64_t id)
{
    for (size_t i = search->first; i < search->count; i++) {
        if (search->hits[i].id == id) {
            return true;
        }
    }
    return false;
}

static int
add_hit(struct search *search, const struct hit *hit, struct sonde_err *err)
{
    if (search->count == search->cap) {
        size_t cap = search->cap == 0 ? 64 : search->cap * 2;
        void *grown = sonde_realloc(search->hits, cap * sizeof(*search->hits));
        if (grown == NULL) {
            return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
        }
        search->hits = grown;
        search->cap = cap;
    }
    search->hits[search->count++] = *hit;
    return SONDE_OK;
}

/* `hit` has its id, and the tier by which it was found. */
static int
judge(struct search *search, struct hit *hit, bool *fits, struct sonde_err *err)
{
    sqlite3_stmt *row = search->reader->statements[READ_NAME];
    sqlite3_bind_int64(row, 1, hit->id);
    int step = sqlite3_step(row);
    *fits = false;
    if (step == SQLITE_ROW) {
        struct sonde_str name = sonde_db_column(row, 0);
        struct sonde_str qualified = sonde_db_column(row, 1);
        struct sonde_str text = search->query->text;
        hit->sum = sqlite3_column_int64(row, 2);
        *fits = sonde_words_fit(hit->tier, text, name, qualified);
        if (*fits && hit->tier == SONDE_TIER_ANY) {
            hit->tier = sonde_words_tier(text, name, qualified);
        }
    }
    return end(search->reader, row, step, err);
}

/* One tier of one service, in the origins from `low` to `high`. */
static int
search_range(struct search *search, enum sonde_tier tier, int low, int high,
             struct sonde_err *err)
{
    sqlite3_stmt *match = search->reader->statements[READ_MATCH];
    int64_t base = search->service << SONDE_NAME_SERVICE_SHIFT;
    int misfits = tier == SONDE_TIER_ANY ? LAST_MISFITS_MAX : MISFITS_MAX;
    int rc = SONDE_OK;
    int step = SQLITE_DONE;
    sonde_db_bind_text(match, 1, sonde_buf_view(&search->match));
    sqlite3_bind_int64(match, 2, base + ((int64_t)low << SONDE_NAME_ORIGIN_SHIFT));
    sqlite3_bind_int64(match, 3,
                       base + (((int64_t)high + 1) << SONDE_NAME_ORIGIN_SHIFT) - 1);
    while (rc == SONDE_OK && !is_full(search) && misfits > 0 &&
           (step = sqlite3_step(match)) == SQLITE_ROW) {
        bool fits = false;
        struct hit hit = {.id = sqlite3_column_int64(match, 0), .tier = tier};
        if (has_hit(search, hit.id)) {
            continue;
        }
        rc = judge(search, &hit, &fits, err);
        if (rc == SONDE_OK && fits) {
            rc = add_hit(search, &hit, err);
        }
        misfits -= !fits;
    }
    search->is_cut |= misfits == 0;
    int ended = end(search->reader, match, step, err);
    return rc == SONDE_OK ? ended : rc;
}

static int
search_tier(struct search *search, enum sonde_tier tier, struct sonde_err *err)
{
    const struct sonde_symbol_query *query = search->query;
    unsigned origins = query->origins == 0 ? ~0u : query->origins;
    int rc = SONDE_OK;
    sonde_buf_reset(&search->match);
    if (!sonde_words_match(&search->match, tier, query->text, query->kinds)) {
        return SONDE_OK;
    }
    if (search->match.failed != SONDE_OK) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    for (int low = SONDE_ORIGIN_USER; low <= SONDE_ORIGIN_GENERATED && rc == SONDE_OK;
         low++) {
        int high = low;
        if ((origins >> low & 1) == 0) {
            continue;
        }
        while (high < SONDE_ORIGIN_GENERATED && (origins >> (high + 1) & 1) != 0) {
            high++;
        }
        rc = search_range(search, tier, low - SONDE_ORIGIN_USER, high - SONDE_ORIGIN_USER,
                          err);
        low = high;
    }
    return rc;
}

/* What is anywhere in names, if that is not much: then each of it is told its tier, and of the
 * tiers only those are left that find what is nowhere in a name. When the keys promised too much to
 * see all of it, what was found stays, and the other tiers may add to it. */
static int
search_all(struct search *search, unsigned *tiers_left, struct sonde_err *err)
{
    search->most = search->query->limit + 1 + SPARE_HITS;
    int rc = search_tier(search, SONDE_TIER_ANY, err);
    if (is_full(search)) {
        search->count = search->first;
        search->is_cut = false;
        search->most = search->query->limit + 1;
    } else if (search->is_cut) {
        *tiers_left &= ~(1u << SONDE_TIER_ANY);
    } else {
        *tiers_left = 1u << SONDE_TIER_HUMPS | 1u << SONDE_TIER_INITIALS;
    }
    return rc;
}

static int
search_service(struct search *search, int64_t service, struct sonde_err *err)
{
    size_t len = search->query->text.len;
    unsigned tiers = len == 0 ? 1u << SONDE_TIER_ANY : ~0u;
    search->first = search->count;
    search->service = service;
    search->most = search->query->limit + 1; /* one more tells that there are more */
    int rc = len >= 3 ? search_all(search, &tiers, err) : SONDE_OK;
    for (int tier = 0; tier < SONDE_TIERS && rc == SONDE_OK && !is_full(search); tier++) {
        bool is_left = (tiers >> tier & 1) != 0;
        rc = is_left ? search_tier(search, (enum sonde_tier)tier, err) : SONDE_OK;
    }
    return rc;
}

static int
by_tier_then_place(const void *a, const void *b)
{
    const struct hit *left = a;
    const struct hit *right = b;
    if (left->tier != right->tier) {
        return (int)left->tier - (int)right->tier;
    }
    int64_t left_place = PLACE_OF(left->id);
    int64_t right_place = PLACE_OF(right->id);
    if (left_place != right_place) {
        return left_place > right_place ? 1 : -1;
    }
    if (left->sum != right->sum) {
        return left->sum > right->sum ? 1 : -1;
    }
    return (left->id > right->id) - (left->id < right->id);
}

/* The services by id, so that a hit tells its service's name. */
struct names {
    struct sonde_arena arena;
    struct sonde_str *by_id; /* SONDE_SERVICES_MAX + 1 */
    int64_t *ids;
    size_t count;
};

static int
read_names(struct sonde_symbols_reader *reader, struct names *names,
           struct sonde_str only, struct sonde_err *err)
{
    const size_t most = SONDE_SERVICES_MAX + 1;
    names->by_id = sonde_arena_alloc(&names->arena, most * sizeof(*names->by_id));
    names->ids = sonde_arena_alloc(&names->arena, most * sizeof(*names->ids));
    if (names->by_id == NULL || names->ids == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    sqlite3_stmt *list = reader->statements[READ_SERVICES];
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(list)) == SQLITE_ROW) {
        struct sonde_str name = sonde_db_column(list, 7);
        int64_t id = sqlite3_column_int64(list, 8);
        if (id < 1 || id > SONDE_SERVICES_MAX ||
            (only.len > 0 && !sonde_str_eq(name, only))) {
            continue;
        }
        names->by_id[id] =
            (struct sonde_str){sonde_arena_strdup(&names->arena, name), name.len};
        names->ids[names->count++] = id;
        if (names->by_id[id].ptr == NULL) {
            sqlite3_reset(list);
            return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
        }
    }
    return end(reader, list, step, err);
}

static int
tell(struct sonde_symbols_reader *reader, int64_t id, const struct sonde_str *services,
     size_t service_count, sonde_found_fn *fn, void *arg, bool *goes_on,
     struct sonde_err *err)
{
    sqlite3_stmt *row = reader->statements[READ_FOUND];
    sqlite3_bind_int64(row, 1, id);
    int step = sqlite3_step(row);
    if (step == SQLITE_ROW) {
        struct sonde_found found = {
            .kind = (enum sonde_found_kind)sqlite3_column_int(row, 0),
            .name = sonde_db_column(row, 2),
            .qualified = sonde_db_column(row, 3),
            .file = sonde_db_column(row, 4),
            .language = sonde_db_column(row, 5),
            .unit = sonde_db_column(row, 6),
            .file_hash = sonde_db_column(row, 7),
            .line = (uint32_t)sqlite3_column_int64(row, 8),
            .end_line = (uint32_t)sqlite3_column_int64(row, 9),
            .probe_line = (uint32_t)sqlite3_column_int64(row, 10),
            .origin = (enum sonde_origin)sqlite3_column_int(row, 11),
            .services = services,
            .service_count = service_count,
        };
        int type = sqlite3_column_int(row, 1);
        if (found.kind == SONDE_FOUND_NAME) {
            found.symbol = (enum sonde_symbol_kind)type;
        } else {
            found.scope = (enum sonde_scope_kind)type;
        }
        *goes_on = fn(arg, &found);
    }
    return end(reader, row, step, err);
}

/* The hits of all services, the best first; one in several services is one. */
static int
tell_all(struct search *search, struct names *names, bool *has_more, sonde_found_fn *fn,
         void *arg, struct sonde_err *err)
{
    int rc = SONDE_OK;
    bool goes_on = true;
    size_t told = 0;
    struct sonde_str *services =
        sonde_arena_alloc(&names->arena, (names->count + 1) * sizeof(*services));
    if (services == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    if (search->count > 0) {
        qsort(search->hits, search->count, sizeof(*search->hits), by_tier_then_place);
    }
    size_t at = 0;
    while (at < search->count && told < search->query->limit && rc == SONDE_OK &&
           goes_on) {
        const struct hit *hit = &search->hits[at];
        size_t count = 0;
        while (at < search->count && count < names->count &&
               search->hits[at].tier == hit->tier && search->hits[at].sum == hit->sum) {
            services[count++] = names->by_id[SERVICE_OF(search->hits[at++].id)];
        }
        rc = tell(search->reader, hit->id, services, count, fn, arg, &goes_on, err);
        told++;
    }
    *has_more = search->is_cut || at < search->count;
    return rc;
}

int
sonde_symbols_search(struct sonde_symbols_reader *reader,
                     const struct sonde_symbol_query *query, bool *has_more,
                     sonde_found_fn *fn, void *arg, struct sonde_err *err)
{
    struct search search = {.reader = reader, .query = query};
    struct names names = {0};
    sonde_buf_init(&search.match, 0);
    sonde_arena_init(&names.arena, 0);
    int rc = begin(reader, err);
    if (rc == SONDE_OK) {
        rc = read_names(reader, &names, query->service, err);
        for (size_t i = 0; i < names.count && rc == SONDE_OK; i++) {
            rc = search_service(&search, names.ids[i], err);
        }
        rc = rc == SONDE_OK ? tell_all(&search, &names, has_more, fn, arg, err) : rc;
        commit(reader, rc);
    }
    sonde_free(search.hits);
    sonde_buf_fini(&search.match);
    sonde_arena_fini(&names.arena);
    return rc;
}

/* --- Reading what has a name ----------------------------------------------------------- */

/* Of the newest version all parts: what has another source, or was cut into other parts, belongs to
 * another. */
int
sonde_symbols_file_units(struct sonde_symbols_reader *reader, struct sonde_str path,
                         struct sonde_str service, sonde_text_fn *fn, void *arg,
                         struct sonde_err *err)
{
    sqlite3_stmt *list = reader->statements[READ_FILE_UNITS];
    char file_hash[SONDE_SHA1_BYTES];
    size_t hash_len = 0;
    int64_t parts = 0;
    uint64_t seen = 0; /* parts, as bits; of the first 64 */
    int step = SQLITE_DONE;
    sonde_db_bind_text(list, 1, path);
    sonde_db_bind_text(list, 2, service);
    while ((step = sqlite3_step(list)) == SQLITE_ROW) {
        int64_t part = sqlite3_column_int64(list, 1);
        struct sonde_str hash = sonde_db_column(list, 3);
        if (parts == 0) {
            parts = sqlite3_column_int64(list, 2);
            hash_len = hash.len == SONDE_SHA1_BYTES ? hash.len : 0;
            memcpy(file_hash, hash.len == 0 ? "" : hash.ptr, hash_len);
        }
        bool is_same = sqlite3_column_int64(list, 2) == parts && part >= 0 && part < 64 &&
                       (seen >> part & 1) == 0 &&
                       sonde_str_eq(hash, (struct sonde_str){file_hash, hash_len});
        if (is_same) {
            seen |= UINT64_C(1) << part;
            fn(arg, sonde_db_column(list, 0));
        }
    }
    return end(reader, list, step, err);
}

/* Steps a statement that asks for a hash. */
static int
find_hash(struct sonde_symbols_reader *reader, sqlite3_stmt *statement,
          struct sonde_str hash, const char *what, struct sonde_err *err)
{
    unsigned char bytes[SONDE_SHA1_BYTES];
    int step = SQLITE_DONE;
    if (sonde_sha1_from_text(hash, bytes)) {
        sqlite3_bind_blob(statement, 1, bytes, sizeof(bytes), SQLITE_TRANSIENT);
        step = sqlite3_step(statement);
    }
    if (step == SQLITE_ROW) {
        return SONDE_OK;
    }
    int rc = end(reader, statement, step, err);
    return rc == SONDE_OK ? sonde_err_set(err, SONDE_E_NOTFOUND, NULL, "%s", what) : rc;
}

static int
damaged(struct sonde_symbols_reader *reader, int rc, struct sonde_err *err)
{
    return sonde_err_set(err, rc, NULL, "%s: a record can not be read", reader->db.path);
}

int
sonde_symbols_unit(struct sonde_symbols_reader *reader, struct sonde_str hash,
                   sonde_unit_fn *fn, void *arg, struct sonde_err *err)
{
    struct sonde_buf scope;
    sqlite3_stmt *row = reader->statements[READ_UNIT];
    int rc = find_hash(reader, row, hash, "there is no such unit", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_buf_init(&scope, 0);
    rc = sonde_symbols_unpack(&scope, sonde_db_column(row, 8));
    if (rc == SONDE_OK) {
        struct sonde_unit unit = {
            .hash = sonde_db_column(row, 0),
            .file = sonde_db_column(row, 1),
            .file_hash = sonde_db_column(row, 2),
            .file_state = sonde_db_column(row, 3),
            .language = sonde_db_column(row, 4),
            .origin = (enum sonde_origin)sqlite3_column_int(row, 5),
            .part = (uint32_t)sqlite3_column_int64(row, 6),
            .parts = (uint32_t)sqlite3_column_int64(row, 7),
            .scope = sonde_buf_view(&scope),
        };
        fn(arg, &unit);
    } else {
        damaged(reader, rc, err);
    }
    sonde_buf_fini(&scope);
    sqlite3_reset(row);
    return rc;
}

int
sonde_symbols_source(struct sonde_symbols_reader *reader, struct sonde_str hash,
                     sonde_text_fn *fn, void *arg, struct sonde_err *err)
{
    struct sonde_buf text;
    sqlite3_stmt *row = reader->statements[READ_SOURCE];
    int rc = find_hash(reader, row, hash, "the text of that file was not uploaded", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_buf_init(&text, 0);
    rc = sonde_symbols_unpack(&text, sonde_db_column(row, 0));
    if (rc == SONDE_OK) {
        fn(arg, sonde_buf_view(&text));
    } else {
        damaged(reader, rc, err);
    }
    sonde_buf_fini(&text);
    sqlite3_reset(row);
    return rc;
}

int
sonde_symbols_services(struct sonde_symbols_reader *reader, sonde_service_fn *fn,
                       void *arg, struct sonde_err *err)
{
    sqlite3_stmt *list = reader->statements[READ_SERVICES];
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(list)) == SQLITE_ROW) {
        struct sonde_symbol_service service;
        sonde_symbols_read_service(&service, list);
        fn(arg, &service);
    }
    return end(reader, list, step, err);
}
