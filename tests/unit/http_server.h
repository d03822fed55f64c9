/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP server on raw sockets for the tests of clients: a thread per connection,
 * answers by the path that is asked for (see answer() for the list). */
#ifndef SONDE_TEST_HTTP_SERVER_H
#define SONDE_TEST_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>

extern struct http_server {
    int port;                   /* on 127.0.0.1 */
    atomic_int connections;     /* accepted so far */
    atomic_bool may_end_stream; /* lets /stream send its second part */
} http_server;

/* Set-up and tear-down of a cmocka group. */
int http_server_start(void **state);
int http_server_stop(void **state);

/* A socket bound to a free port of 127.0.0.1, where nobody listens. */
int http_server_bind(int *port);

#endif
