/* SPDX-License-Identifier: Apache-2.0 */
#include "class_lines.h"

#include "core/base/alloc.h"
#include "core/base/arena.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((off_t)16 * 1024 * 1024)
#define MEMORY_MAX ((size_t)64 * 1024 * 1024)
#define NONE UINT32_MAX

struct wanted_file {
    uint32_t file;
    const char *path; /* the arena's */
};

/* One class; those of one name in one file hang together, the first first. */
struct found_class {
    uint32_t line;
    uint32_t next, last; /* `last` of the first one alone; NONE */
};

enum state {
    OWN,      /* its maker's */
    GIVEN,    /* the VM thread's */
    DONE,     /* its maker's again */
    GIVEN_UP, /* nobody waits any more: the VM thread frees it */
};

struct sonde_py_class_lines {
    struct sonde_arena arena;
    struct wanted_file *files;
    uint32_t file_count, file_room;
    uint32_t files_read;
    struct found_class *classes;
    uint32_t class_count, class_room;
    struct sonde_py_map by_name; /* file and name to the first, + 1 */
    _Atomic int state;           /* enum state */
    char *text;
    size_t text_room;
};

/* What the VM thread is to read; it is taken by whoever swaps it out. */
static _Atomic(struct sonde_py_class_lines *) given;
static struct sonde_py_class_lines *reading; /* the VM thread's */

int
sonde_py_class_lines_new(struct sonde_py_class_lines **out)
{
    struct sonde_py_class_lines *lines = sonde_calloc(1, sizeof(*lines));
    if (lines == NULL) {
        return SONDE_E_NOMEM;
    }
    sonde_arena_init(&lines->arena, MEMORY_MAX);
    atomic_init(&lines->state, OWN);
    *out = lines;
    return SONDE_OK;
}

static void
free_now(struct sonde_py_class_lines *lines)
{
    sonde_arena_fini(&lines->arena);
    sonde_free(lines->files);
    sonde_free(lines->classes);
    sonde_free(lines->text);
    sonde_py_map_fini(&lines->by_name);
    sonde_free(lines);
}

int
sonde_py_class_lines_add(struct sonde_py_class_lines *lines, uint32_t file,
                         struct sonde_str path)
{
    if (lines->file_count == lines->file_room) {
        uint32_t room = lines->file_room == 0 ? 64 : lines->file_room * 2;
        void *files = sonde_realloc(lines->files, room * sizeof(lines->files[0]));
        if (files == NULL) {
            return SONDE_E_NOMEM;
        }
        lines->files = files;
        lines->file_room = room;
    }
    const char *copy = sonde_arena_strdup(&lines->arena, path);
    if (copy == NULL) {
        return SONDE_E_NOMEM;
    }
    lines->files[lines->file_count++] = (struct wanted_file){file, copy};
    return SONDE_OK;
}

/* --- Reading, on the VM thread ------------------------------------------------------------------ */

struct finding {
    struct sonde_py_class_lines *lines;
    uint32_t file;
};

static uint64_t
key_of(uint32_t file, struct sonde_str qualname)
{
    return sonde_py_hash_text(file + UINT64_C(1), qualname);
}

static void
note_class(void *arg, struct sonde_str qualname, uint32_t line)
{
    struct finding *finding = arg;
    struct sonde_py_class_lines *lines = finding->lines;
    if (lines->class_count == lines->class_room) {
        uint32_t room = lines->class_room == 0 ? 256 : lines->class_room * 2;
        void *classes = sonde_realloc(lines->classes, room * sizeof(lines->classes[0]));
        if (classes == NULL) {
            return; /* its line stays unknown */
        }
        lines->classes = classes;
        lines->class_room = room;
    }
    bool is_new;
    uint32_t *first =
        sonde_py_map_put(&lines->by_name, key_of(finding->file, qualname), &is_new);
    if (first == NULL) {
        return;
    }
    uint32_t at = lines->class_count++;
    lines->classes[at] = (struct found_class){line, NONE, at};
    if (is_new) {
        *first = at + 1;
    } else {
        struct found_class *head = &lines->classes[*first - 1];
        lines->classes[head->last].next = at;
        head->last = at;
    }
}

static bool
make_room(struct sonde_py_class_lines *lines, size_t bytes)
{
    if (bytes > lines->text_room) {
        void *text = sonde_realloc(lines->text, bytes);
        if (text == NULL) {
            return false;
        }
        lines->text = text;
        lines->text_room = bytes;
    }
    return true;
}

/* A pipe or a device that somebody named as a module's file is not waited for. */
static void
read_file(struct sonde_py_class_lines *lines, const struct wanted_file *wanted)
{
    struct stat info;
    int fd = open(wanted->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
        info.st_size <= FILE_BYTES_MAX && make_room(lines, (size_t)info.st_size)) {
        size_t size = (size_t)info.st_size, got = 0;
        while (got < size) {
            ssize_t n = read(fd, lines->text + got, size - got);
            if (n <= 0) {
                break;
            }
            got += (size_t)n;
        }
        struct finding finding = {lines, wanted->file};
        sonde_py_scan_classes((struct sonde_str){lines->text, got}, note_class, &finding);
    }
    close(fd);
}

bool
sonde_py_class_lines_step(void)
{
    if (reading == NULL) {
        reading = atomic_exchange(&given, NULL);
    }
    struct sonde_py_class_lines *lines = reading;
    if (lines == NULL) {
        return false;
    }
    if (lines->files_read < lines->file_count && atomic_load(&lines->state) == GIVEN) {
        read_file(lines, &lines->files[lines->files_read++]);
        return true;
    }
    reading = NULL;
    if (atomic_exchange(&lines->state, DONE) == GIVEN_UP) {
        free_now(lines);
    }
    return true;
}

/* --- Asking, under the VM lock --------------------------------------------------------------- */

void
sonde_py_class_lines_begin(struct sonde_py_class_lines *lines)
{
    atomic_store(&lines->state, GIVEN);
    struct sonde_py_class_lines *old = atomic_exchange(&given, lines);
    if (old != NULL && atomic_exchange(&old->state, DONE) == GIVEN_UP) {
        free_now(old);
    }
}

void
sonde_py_class_lines_free(struct sonde_py_class_lines *lines)
{
    struct sonde_py_class_lines *mine = lines;
    if (lines == NULL) {
        return;
    }
    if (atomic_compare_exchange_strong(&given, &mine, NULL) ||
        atomic_exchange(&lines->state, GIVEN_UP) != GIVEN) {
        free_now(lines);
    }
}

/* What the parent's thread was reading is left where it is: it may be half written. */
void
sonde_py_class_lines_after_fork(void)
{
    reading = NULL;
    atomic_store(&given, NULL);
}

bool
sonde_py_class_lines_is_done(const struct sonde_py_class_lines *lines)
{
    return atomic_load(&lines->state) == DONE;
}

uint32_t
sonde_py_class_lines_get(const struct sonde_py_class_lines *lines, uint32_t file,
                         struct sonde_str qualname, uint32_t before)
{
    const uint32_t *first = sonde_py_map_get(&lines->by_name, key_of(file, qualname));
    if (first == NULL) {
        return 0;
    }
    uint32_t line = lines->classes[*first - 1].line;
    for (uint32_t at = *first - 1; before != 0 && at != NONE;
         at = lines->classes[at].next) {
        if (lines->classes[at].line <= before) {
            line = lines->classes[at].line;
        }
    }
    return line;
}
