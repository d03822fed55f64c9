/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's side of sonde_config. What the variables mean is in docs/configuration.md. */
#ifndef SONDE_CONFIG_H
#define SONDE_CONFIG_H

#include <sonde/agent.h>

/* A deep copy, in which an absent text is "". SONDE_E_NOMEM: nothing to release. Own:
 * sonde_config_fini. */
int sonde_config_dup(struct sonde_config *out, const struct sonde_config *config);

/* False when SONDE_ENABLED says so: the kill switch. */
bool sonde_config_allows_start(void);

#endif
