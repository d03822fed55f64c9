/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/listen.h"

#include "collector/http/guard.h"
#include "core/base/os.h"
#include "core/wire/number.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

static int
split(struct sonde_listen *out, char port[8], const char *address, struct sonde_err *err)
{
    struct sonde_str text = sonde_str_from(address);
    struct sonde_str host = sonde_guard_host_of(text);
    size_t port_len = host.len < text.len ? text.len - host.len - 1 : 0;
    struct sonde_str digits = {text.ptr + text.len - port_len, port_len};
    uint64_t number;
    if (host.len == 0 || host.len >= sizeof(out->host) || port_len > 5 ||
        !sonde_number_read_uint(digits, &number) || number > UINT16_MAX) {
        return sonde_err_set(err, SONDE_E_INVAL, "listen",
                             "\"%s\" is not HOST:PORT or [IPV6]:PORT", address);
    }
    memcpy(port, digits.ptr, port_len + 1);
    if (host.ptr[0] == '[') {
        host = (struct sonde_str){host.ptr + 1, host.len - 2};
    }
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    return SONDE_OK;
}

static bool
is_loopback(const struct addrinfo *found)
{
    if (found->ai_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)found->ai_addr;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const void *)found->ai_addr;
    return found->ai_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static int
bind_to(struct sonde_listen *out, const struct addrinfo *found, const char *address,
        struct sonde_err *err)
{
    int on = 1;
    int fd = sonde_os_socket_cloexec(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0) {
        return sonde_err_set(err, SONDE_E_IO, "listen", "no socket: %s", strerror(errno));
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        int failed = errno;
        close(fd);
        if (failed == EADDRINUSE) {
            return sonde_err_set(err, SONDE_E_BUSY, "listen",
                                 "%s is taken: is another collector running?", address);
        }
        return sonde_err_set(err, SONDE_E_IO, "listen", "can not listen at %s: %s",
                             address, strerror(failed));
    }
    out->fd = fd;
    return SONDE_OK;
}

static int
name_url(struct sonde_listen *out, struct sonde_err *err)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(out->fd, (struct sockaddr *)&bound, &len) != 0) {
        return sonde_err_set(err, SONDE_E_IO, "listen", "%s", strerror(errno));
    }
    bool is_six = bound.ss_family == AF_INET6;
    unsigned port = is_six ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                           : ntohs(((struct sockaddr_in *)&bound)->sin_port);
    bool has_colon = strchr(out->host, ':') != NULL;
    snprintf(out->url, sizeof(out->url), has_colon ? "http://[%s]:%u" : "http://%s:%u",
             out->host, port);
    return SONDE_OK;
}

int
sonde_listen_open(struct sonde_listen *out, const char *address, bool has_token,
                  struct sonde_err *err)
{
    char port[8];
    struct sonde_listen listening = {.fd = -1};
    int rc = split(&listening, port, address, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(listening.host, port, &hints, &found);
    if (failed != 0) {
        return sonde_err_set(err, SONDE_E_INVAL, "listen", "%s: %s", address,
                             gai_strerror(failed));
    }
    if (!is_loopback(found) && !has_token) {
        rc = sonde_err_set(err, SONDE_E_DENIED, "token",
                           "%s can be reached from the network, which needs a token "
                           "(--token or SONDE_TOKEN); loopback does not",
                           address);
    } else {
        rc = bind_to(&listening, found, address, err);
    }
    freeaddrinfo(found);
    if (rc == SONDE_OK) {
        rc = name_url(&listening, err);
    }
    if (rc != SONDE_OK) {
        if (listening.fd >= 0) {
            close(listening.fd);
        }
        return rc;
    }
    *out = listening;
    return SONDE_OK;
}
