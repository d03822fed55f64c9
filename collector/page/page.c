/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/page/page.h"

#include <strings.h>

/* Names of assets bear a hash of their content. */
#define FOR_EVER "public, max-age=31536000, immutable"
#define ASK_AGAIN "no-cache"

/* A value of an application that got into the page as markup could neither run nor load
 * nor send anything; no page of another origin can frame this one or keep a handle on its
 * window. */
static const struct sonde_exchange_header guards[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};

/* --- Lists in headers --------------------------------------------------------------- */

static struct sonde_str
trim(struct sonde_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Takes what stands in front of the next `separator`, without spaces around it. False at
 * the end. */
static bool
next_part(struct sonde_str *rest, char separator, struct sonde_str *out)
{
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->ptr, separator, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    size_t used = end == NULL ? len : len + 1;
    *out = trim((struct sonde_str){rest->ptr, len});
    rest->ptr += used;
    rest->len -= used;
    return true;
}

static bool
is_word(struct sonde_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* "q=0", "q=0.000": not this one. */
static bool
is_refusal(struct sonde_str parameter)
{
    if (parameter.len < 3 || strncasecmp(parameter.ptr, "q=0", 3) != 0) {
        return false;
    }
    for (size_t i = 3; i < parameter.len; i++) {
        if (parameter.ptr[i] != '.' && parameter.ptr[i] != '0') {
            return false;
        }
    }
    return true;
}

static bool
accepts_gzip(struct sonde_str header)
{
    struct sonde_str coding;
    while (next_part(&header, ',', &coding)) {
        struct sonde_str name = {NULL, 0};
        struct sonde_str parameter;
        bool is_refused = false;
        (void)next_part(&coding, ';', &name);
        while (next_part(&coding, ';', &parameter)) {
            is_refused = is_refused || is_refusal(parameter);
        }
        if (is_word(name, "gzip")) {
            return !is_refused;
        }
    }
    return false;
}

/* Whether an If-None-Match names the file. Weak or not makes no difference here. */
static bool
has_etag(struct sonde_str header, const char *etag)
{
    struct sonde_str one;
    struct sonde_str wanted = sonde_str_from(etag + strlen("W/"));
    while (next_part(&header, ',', &one)) {
        if (one.len > 2 && memcmp(one.ptr, "W/", 2) == 0) {
            one.ptr += 2;
            one.len -= 2;
        }
        if (sonde_str_eq(one, wanted) || is_word(one, "*")) {
            return true;
        }
    }
    return false;
}

/* --- Routes ------------------------------------------------------------------------- */

static const struct sonde_page_file *
find_file(const struct sonde_page *page, struct sonde_str folder, struct sonde_str name)
{
    for (size_t i = 0; i < page->file_count; i++) {
        const struct sonde_page_file *file = &page->files[i];
        struct sonde_str path = sonde_str_from(file->path);
        if (path.len == folder.len + name.len &&
            memcmp(path.ptr, folder.ptr, folder.len) == 0 &&
            sonde_str_ends_with(path, name)) {
            return file;
        }
    }
    return NULL;
}

static void
send_file(struct sonde_exchange *x, const struct sonde_page_file *file,
          const char *cache_control)
{
    bool is_packed =
        file->packed.len > 0 && accepts_gzip(x->transport->header(x, "Accept-Encoding"));
    bool is_known = has_etag(x->transport->header(x, "If-None-Match"), file->etag);
    x->cache_control = cache_control;
    sonde_exchange_add_header(x, "ETag", file->etag);
    if (file->packed.len > 0) {
        sonde_exchange_add_header(x, "Vary", "Accept-Encoding");
    }
    /* A 304 has no body either way; it goes with the length of the one that it stands
     * for. */
    sonde_buf_str(&x->answer, is_packed ? file->packed : file->plain);
    if (is_known) {
        sonde_exchange_answer(x, 304, NULL);
        return;
    }
    if (is_packed) {
        sonde_exchange_add_header(x, "Content-Encoding", "gzip");
    }
    sonde_exchange_answer(x, 200, file->type);
}

static void
serve_file(const struct sonde_page *page, struct sonde_exchange *x,
           struct sonde_str folder, struct sonde_str name, const char *cache_control)
{
    if (page == NULL || page->file_count == 0) {
        sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, NULL,
                            "this binary was built without the page (make WEB=no)");
    } else {
        const struct sonde_page_file *file = find_file(page, folder, name);
        if (file != NULL) {
            send_file(x, file, cache_control);
        } else {
            sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, NULL,
                                "there is nothing here");
        }
    }
    /* Last, since an error takes the headers away. */
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
        sonde_exchange_add_header(x, guards[i].name, guards[i].value);
    }
}

static void
root(void *arg, struct sonde_exchange *x)
{
    serve_file(arg, x, SONDE_STR(""), SONDE_STR("index.html"), ASK_AGAIN);
}

static void
asset(void *arg, struct sonde_exchange *x)
{
    serve_file(arg, x, SONDE_STR("assets/"), x->tail, FOR_EVER);
}

const struct sonde_route sonde_page_routes[] = {
    {"GET", "/", 0, 0, true, root},
    {"HEAD", "/", 0, 0, true, root},
    {"GET", "/assets/", 0, 0, true, asset},
    {"HEAD", "/assets/", 0, 0, true, asset},
};
const size_t sonde_page_route_count =
    sizeof(sonde_page_routes) / sizeof(sonde_page_routes[0]);
