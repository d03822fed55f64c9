/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 3.4. Read from its sources at v3_4_9. Untested but for most of the tests once, on 3.4.9: no Debian
 * suite has it. See compat.h for the list of facts. */
#ifndef SONDE_RB_RUBY_3_4_H
#define SONDE_RB_RUBY_3_4_H

#include "compat/since_3_2.h"
#include "compat/since_3_3.h"
#include "compat/since_3_4.h"
#include "compat/before_4_0.h"

#define SONDE_RB_CATCH_WORDS 1 /* vm_core.h: struct rb_iseq_constant_body: catch_table */

#include "compat/since_2_7.h"

#include "compat/since_3_1.h"

#endif
