/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshots of one UTC day. A day is a number: days since 1970.
 *
 * Ctx: one thread at a time per file. */
#ifndef SONDE_DAY_FILE_H
#define SONDE_DAY_FILE_H

#include "collector/store/sqlite/db.h"
#include "collector/store/store.h"

struct sonde_day_file {
    struct sonde_db db;
    int64_t day;
    bool is_begun; /* a transaction is open */
    sqlite3_stmt *begin, *commit, *rollback;
    sqlite3_stmt *add_head, *add_body, *add_resource, *find_resource;
    struct sonde_str resource; /* the last one of this transaction, and its id */
    int64_t resource_id;
};

/* A row's place in the order of a list. */
struct sonde_day_place {
    int64_t time_ns, seq;
};

/* Behind every row. */
#define SONDE_DAY_PLACE_END ((struct sonde_day_place){INT64_MAX, INT64_MAX})

/* A list on its way through the files. */
struct sonde_day_listing {
    const struct sonde_query *query; /* `before` has become a place */
    struct sonde_day_place before;   /* only rows in front of it */
    sonde_row_fn *fn;
    void *arg;
    size_t found; /* rows so far */
    bool goes_on; /* false: fn has had enough */
};

int64_t sonde_day_of(int64_t time_ns);

/* "DIR/day-YYYYMMDD.db". */
void sonde_day_path(char *out, size_t size, const char *dir, int64_t day);

/* The day of a file's name, or false when it is no day file's. */
bool sonde_day_of_name(int64_t *out, const char *name);

/* Opens for writing; errors of sonde_db_open. */
int sonde_day_file_open(struct sonde_day_file *file, const char *dir, int64_t day,
                        struct sonde_err *err);
void sonde_day_file_close(struct sonde_day_file *file);

int sonde_day_file_begin(struct sonde_day_file *file, struct sonde_err *err);
/* Adds a row unless its id is there; *is_new says which. Inside a transaction. */
int sonde_day_file_add(struct sonde_day_file *file, const struct sonde_row *row,
                       bool *is_new, struct sonde_err *err);
int sonde_day_file_commit(struct sonde_day_file *file, struct sonde_err *err);
void sonde_day_file_rollback(struct sonde_day_file *file);

/* Drops the statements, so that db can be closed or set aside. */
void sonde_day_file_drop(struct sonde_day_file *file);

/* Calls fn with the rows that match, newest first. SONDE_E_NOTFOUND: no such file. On its
 * own connection, like the next two. */
int sonde_day_file_list(const char *dir, int64_t day, struct sonde_day_listing *listing,
                        struct sonde_err *err);

/* Where the row of that id stands; SONDE_E_NOTFOUND. */
int sonde_day_file_find(const char *dir, int64_t day, struct sonde_str id,
                        struct sonde_day_place *out, struct sonde_err *err);

/* Calls fn with the row of that id; SONDE_E_NOTFOUND. */
int sonde_day_file_get(const char *dir, int64_t day, struct sonde_str id,
                       sonde_row_fn *fn, void *arg, struct sonde_err *err);

/* For setting a file aside that only a reader has seen. */
extern const struct sonde_db_kind sonde_day_file_kind;

#endif
