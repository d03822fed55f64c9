/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 3.3. Read from its sources at v3_3_0 and v3_3_8, which agree in all of this, and tested with
 * Debian's. See compat.h for the list of facts. */
#ifndef SONDE_RB_RUBY_3_3_H
#define SONDE_RB_RUBY_3_3_H

#include "compat/since_3_2.h"
#include "compat/since_3_3.h"
#include "compat/before_3_4.h"
#include "compat/before_4_0.h"

#define SONDE_RB_CATCH_WORDS 1 /* vm_core.h: struct rb_iseq_constant_body: catch_table */

#include "compat/since_2_7.h"

#include "compat/since_3_1.h"

#endif
