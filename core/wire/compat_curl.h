/* SPDX-License-Identifier: Apache-2.0
 *
 * What libcurl has had since 7.87, and what stands in for it where it is older (from 7.68: Debian 11). */
#ifndef SONDE_WIRE_COMPAT_CURL_H
#define SONDE_WIRE_COMPAT_CURL_H

#include <curl/curl.h>

#include <stddef.h>
#include <stdio.h>

#if LIBCURL_VERSION_NUM >= 0x075700

/* Options of every call: only HTTP, and whoever gives a call up does not wait for a name server that is
 * silent. Not 0: one was refused. */
static inline int
sonde_curl_set_common(CURL *easy)
{
    return (int)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) |
           (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
}

/* The answer's header Retry-After, lent until the next call; NULL: it has none. */
static inline const char *
sonde_curl_retry_after(CURL *easy, char *buf, size_t size)
{
    struct curl_header *header;
    (void)buf, (void)size;
    return curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) ==
                   CURLHE_OK
               ? header->value
               : NULL;
}

#else

/* Here giving a call up may wait for the name server. */
static inline int
sonde_curl_set_common(CURL *easy)
{
    return (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                                 (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
}

/* In `buf`, in seconds; "Retry-After: 0" is taken for none. */
static inline const char *
sonde_curl_retry_after(CURL *easy, char *buf, size_t size)
{
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK ||
        seconds <= 0) {
        return NULL;
    }
    snprintf(buf, size, "%lld", (long long)seconds);
    return buf;
}

#endif

#endif
