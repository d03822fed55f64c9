/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_server.h"

#include "core/wire/gzip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_REQUEST 65536

struct http_server http_server;

static int listener;
static pthread_t accepter;

static bool
send_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool
send_text(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static bool
send_answer(int fd, const char *status_and_headers, const void *body, size_t len)
{
    char head[512];

    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
             status_and_headers, len);
    return send_text(fd, head) && send_all(fd, body, len);
}

/* Reads one request, head and body, into `text`; its length, or 0 at the end. */
static size_t
receive(int fd, char *text)
{
    size_t len = 0;

    for (;;) {
        ssize_t got = recv(fd, text + len, MAX_REQUEST - 1 - len, 0);
        const char *end, *length;
        size_t whole;

        if (got <= 0)
            return 0;
        len += (size_t)got;
        text[len] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (end == NULL)
            continue;
        length = strstr(text, "Content-Length: ");
        whole = (size_t)(end + 4 - text);
        if (length != NULL && length < end)
            whole += strtoul(length + strlen("Content-Length: "), NULL, 10);
        if (len >= whole)
            return len;
    }
}

static bool
send_retry_date(int fd)
{
    char date[64], head[128];
    time_t then = time(NULL) + 100;
    struct tm parts;

    gmtime_r(&then, &parts);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    snprintf(head, sizeof(head), "429 Slow\r\nRetry-After: %s", date);
    return send_answer(fd, head, "", 0);
}

static bool
send_stream(int fd)
{
    if (!send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") ||
        !send_text(fd, "5\r\nfirst\r\n"))
        return false;
    while (!http_server.may_end_stream)
        usleep(1000);
    return send_text(fd, "6\r\nsecond\r\n0\r\n\r\n");
}

static bool
send_zipped(int fd, size_t zeroes)
{
    struct sonde_buf zipped;
    char *plain = calloc(1, zeroes);
    bool sent;

    sonde_buf_init(&zipped, 0);
    sonde_gzip_append(&zipped, (struct sonde_str){plain, zeroes});
    sent = send_answer(fd, "200 OK\r\nContent-Encoding: gzip", zipped.data, zipped.len);
    sonde_buf_fini(&zipped);
    free(plain);
    return sent;
}

/* Answers one request; false when the connection is over. */
static bool
answer(int fd, const char *request, size_t len)
{
    char line[256];
    static const char large[100000];

    snprintf(line, sizeof(line), "%.*s", (int)strcspn(request, "\r"), request);
    if (strstr(line, "/echo") != NULL)
        return send_answer(fd, "200 OK", request, len);
    if (strstr(line, "/retry-seconds") != NULL)
        return send_answer(fd, "503 Busy\r\nRetry-After: 7", "later", 5);
    if (strstr(line, "/retry-now") != NULL)
        return send_answer(fd, "503 Busy\r\nretry-after:  0 ", "", 0);
    if (strstr(line, "/retry-huge") != NULL)
        return send_answer(fd, "503 Busy\r\nRetry-After: 99999999999", "", 0);
    if (strstr(line, "/retry-past") != NULL)
        return send_answer(fd, "503 B\r\nRetry-After: Fri, 01 Jan 2021 00:00:00 GMT", "",
                           0);
    if (strstr(line, "/retry-junk") != NULL)
        return send_answer(fd, "503 Busy\r\nRetry-After: soon", "", 0);
    if (strstr(line, "/retry-date") != NULL)
        return send_retry_date(fd);
    if (strstr(line, "/redirect") != NULL)
        return send_answer(fd, "302 Found\r\nLocation: /echo", "", 0);
    if (strstr(line, "/denied") != NULL)
        return send_answer(fd, "401 No", "reason", 6);
    if (strstr(line, "/large") != NULL)
        return send_answer(fd, "200 OK", large, sizeof(large));
    if (strstr(line, "/zipped") != NULL)
        return send_zipped(fd, 3000000);
    if (strstr(line, "/stream") != NULL)
        return send_stream(fd);
    if (strstr(line, "/cut") != NULL) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        return false;
    }
    if (strstr(line, "/junk") != NULL) {
        send_text(fd, "what is this?\r\n\r\n");
        return false;
    }
    /* "/silent": says nothing, until the client goes. */
    while (recv(fd, line, sizeof(line), 0) > 0)
        ;
    return false;
}

static void *
serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *request = malloc(MAX_REQUEST);
    size_t len;

    while ((len = receive(fd, request)) > 0 && answer(fd, request, len))
        ;
    close(fd);
    free(request);
    return NULL;
}

static void *
serve(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            return NULL;
        http_server.connections++;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
}

int
http_server_bind(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

int
http_server_start(void **state)
{
    (void)state;
    listener = http_server_bind(&http_server.port);
    return listen(listener, 64) || pthread_create(&accepter, NULL, serve, NULL);
}

int
http_server_stop(void **state)
{
    (void)state;
    shutdown(listener, SHUT_RDWR);
    pthread_join(accepter, NULL);
    close(listener);
    return 0;
}
