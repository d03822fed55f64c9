/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening socket, with errors that a person can act on. */
#ifndef SONDE_LISTEN_H
#define SONDE_LISTEN_H

#include <sonde/err.h>
#include <sonde/str.h>

struct sonde_listen {
    int fd;         /* non-blocking, closed on exec */
    char host[256]; /* as typed, without brackets */
    char url[320];  /* "http://HOST:PORT" with the port that was got */
};

/* Listens at "HOST:PORT" or "[IPv6]:PORT". SONDE_E_INVAL (not of that form, no such
 * host), SONDE_E_DENIED (not loopback and no token), SONDE_E_BUSY (the port is taken),
 * SONDE_E_IO. Own: the caller closes fd. */
int sonde_listen_open(struct sonde_listen *out, const char *address, bool has_token,
                      struct sonde_err *err);

#endif
