/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SONDE_RUNTIMES_FAKE_ADAPTER_H
#define SONDE_RUNTIMES_FAKE_ADAPTER_H

#include "runtimes/fake/entry.h"

void sonde_fake_adapter_fill(struct sonde_adapter *adapter, struct sonde_fake *fake);

#endif
