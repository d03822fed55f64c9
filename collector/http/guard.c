/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/guard.h"

#include <arpa/inet.h>
#include <strings.h>

static bool
equals_ignoring_case(struct sonde_str a, struct sonde_str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool
take_prefix(struct sonde_str *text, struct sonde_str prefix)
{
    if (text->len < prefix.len || strncasecmp(text->ptr, prefix.ptr, prefix.len) != 0) {
        return false;
    }
    text->ptr += prefix.len;
    text->len -= prefix.len;
    return true;
}

static struct sonde_str
without_brackets(struct sonde_str host)
{
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        return (struct sonde_str){host.ptr + 1, host.len - 2};
    }
    return host;
}

bool
sonde_guard_is_loopback(struct sonde_str host)
{
    char text[64];
    struct in_addr four;
    struct in6_addr six;
    host = without_brackets(host);
    if (equals_ignoring_case(host, SONDE_STR("localhost"))) {
        return true;
    }
    if (host.len == 0 || host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    /* inet_pton takes only the dotted form: "127.1.evil.example" is a name, not an
     * address. */
    if (inet_pton(AF_INET, text, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

struct sonde_str
sonde_guard_host_of(struct sonde_str authority)
{
    const struct sonde_str none = {NULL, 0};
    size_t end = authority.len;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        const char *close = memchr(authority.ptr, ']', authority.len);
        if (close == NULL) {
            return none;
        }
        end = (size_t)(close - authority.ptr) + 1;
    } else if (authority.len > 0) {
        const char *colon = memchr(authority.ptr, ':', authority.len);
        end = colon == NULL ? authority.len : (size_t)(colon - authority.ptr);
    }
    if (end < authority.len && authority.ptr[end] != ':') {
        return none;
    }
    for (size_t i = end + 1; i < authority.len; i++) {
        if (authority.ptr[i] < '0' || authority.ptr[i] > '9') {
            return none;
        }
    }
    return (struct sonde_str){authority.ptr, end};
}

bool
sonde_guard_allows_host(struct sonde_str header, struct sonde_str listen_host)
{
    struct sonde_str host = sonde_guard_host_of(header);
    return host.len > 0 &&
           (sonde_guard_is_loopback(host) ||
            equals_ignoring_case(without_brackets(host), without_brackets(listen_host)));
}

bool
sonde_guard_allows_origin(struct sonde_str origin, struct sonde_str host_header)
{
    if (origin.len == 0) {
        return true; /* no browser, or a page's request to its own origin */
    }
    if (!take_prefix(&origin, SONDE_STR("http://")) &&
        !take_prefix(&origin, SONDE_STR("https://"))) {
        return false;
    }
    return equals_ignoring_case(origin, host_header);
}

bool
sonde_guard_allows_token(struct sonde_str header, struct sonde_str token)
{
    if (!take_prefix(&header, SONDE_STR("Bearer ")) || token.len == 0) {
        return false;
    }
    /* Every byte of what was sent is compared with some byte of the token, so that the
     * time tells only the length of the sender's own text. */
    unsigned different = header.len != token.len;
    for (size_t i = 0; i < header.len; i++) {
        different |= (unsigned)(unsigned char)header.ptr[i] ^
                     (unsigned)(unsigned char)token.ptr[i % token.len];
    }
    return different == 0;
}
