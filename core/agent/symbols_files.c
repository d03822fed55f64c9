/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/symbols_files.h"

#include "core/base/clock.h"
#include "core/wire/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 16384 /* the thread's stack is small */

static int64_t
to_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * SONDE_NS_PER_S + time.tv_nsec;
}

static struct sonde_file_stamp
stamp_of(const struct stat *status)
{
    return (struct sonde_file_stamp){
        .device = (uint64_t)status->st_dev,
        .number = (uint64_t)status->st_ino,
        .size = (int64_t)status->st_size,
        .modified_ns = to_ns(status->st_mtim),
        .changed_ns = to_ns(status->st_ctim),
    };
}

static bool
is_same(const struct sonde_file_stamp *a, const struct sonde_file_stamp *b)
{
    return a->device == b->device && a->number == b->number && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static bool
was_changed_after(const struct sonde_file_stamp *stamp, int64_t since_ns)
{
    return stamp->modified_ns > since_ns || stamp->changed_ns > since_ns;
}

/* Reads `size` bytes and nothing after them, by pieces. False: it has another length. */
static bool
hash_bytes(int file, int64_t size, unsigned char hash[SONDE_SHA1_BYTES])
{
    char piece[PIECE_BYTES];
    struct sonde_sha1 sha1;
    int64_t left = size;
    sonde_sha1_init_blob(&sha1, (uint64_t)size);
    for (;;) {
        ssize_t len = read(file, piece, sizeof(piece));
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len <= 0 || len > left) {
            break;
        }
        left -= len;
        sonde_sha1_add(&sha1, (struct sonde_str){piece, (size_t)len});
    }
    sonde_sha1_end(&sha1, hash);
    return left == 0;
}

/* A descriptor of a regular file, or -1. A device or a pipe under that name is not waited for. */
static int
open_regular(const char *path, struct stat *status)
{
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file >= 0 && (fstat(file, status) != 0 || !S_ISREG(status->st_mode))) {
        close(file);
        return -1;
    }
    return file;
}

void
sonde_file_look(const char *path, int64_t since_ns, const struct sonde_file_facts *known,
                struct sonde_file_facts *out)
{
    struct stat status;
    *out = (struct sonde_file_facts){.state = SONDE_FILE_NONE};
    if (stat(path, &status) != 0) {
        out->state =
            errno == ENOENT || errno == ENOTDIR ? SONDE_FILE_MISSING : SONDE_FILE_NONE;
        return;
    }
    if (!S_ISREG(status.st_mode) || status.st_size > SONDE_FILE_MAX_BYTES) {
        return;
    }
    out->stamp = stamp_of(&status);
    if (known != NULL && known->state == SONDE_FILE_KNOWN &&
        is_same(&known->stamp, &out->stamp)) {
        *out = *known;
        return;
    }
    if (was_changed_after(&out->stamp, since_ns)) {
        out->state = SONDE_FILE_CHANGED;
        return;
    }
    int file = open_regular(path, &status);
    if (file < 0) {
        return;
    }
    struct sonde_file_stamp opened = stamp_of(&status);
    bool is_whole = is_same(&opened, &out->stamp) &&
                    hash_bytes(file, (int64_t)status.st_size, out->hash);
    /* Written to while it was read: its hash may be that of neither. */
    bool is_calm = fstat(file, &status) == 0;
    opened = stamp_of(&status);
    is_calm = is_calm && is_same(&opened, &out->stamp);
    out->state = is_whole && is_calm ? SONDE_FILE_KNOWN : SONDE_FILE_CHANGED;
    close(file);
}

bool
sonde_file_read(const char *path, const unsigned char hash[SONDE_SHA1_BYTES],
                struct sonde_buf *out)
{
    struct stat status;
    unsigned char found[SONDE_SHA1_BYTES];
    struct sonde_sha1 sha1;
    sonde_buf_reset(out);
    int file = open_regular(path, &status);
    if (file < 0) {
        return false;
    }
    int64_t size = (int64_t)status.st_size;
    char *room =
        size > SONDE_SOURCE_MAX_BYTES ? NULL : sonde_buf_reserve(out, (size_t)size + 1);
    ssize_t len = 1;
    while (room != NULL && len > 0 && out->len <= (size_t)size) {
        len = read(file, room + out->len, (size_t)size + 1 - out->len);
        if (len < 0 && errno == EINTR) {
            len = 1;
            continue;
        }
        out->len += len > 0 ? (size_t)len : 0;
    }
    close(file);
    if (room == NULL || len < 0 || out->len != (size_t)size) {
        return false;
    }
    sonde_sha1_init_blob(&sha1, (uint64_t)size);
    sonde_sha1_add(&sha1, sonde_buf_view(out));
    sonde_sha1_end(&sha1, found);
    return memcmp(found, hash, sizeof(found)) == 0 &&
           sonde_utf8_is_valid(sonde_buf_view(out));
}
