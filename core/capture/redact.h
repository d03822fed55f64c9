/* SPDX-License-Identifier: Apache-2.0
 *
 * Which names and types are never captured. Immutable once made, so any thread may ask.
 *
 * A name is compared in a normal form: ASCII lower case, without `_`, `-`, `@`, `$` and
 * spaces. It is sensitive when the normal form is in the built-in list (redact_names.h) or
 * in the user's, or ends with one of a few strong stems (`password`, `secret`, …), and is
 * not excluded by the user. A type is sensitive when the user named it, exactly. */
#ifndef SONDE_REDACT_H
#define SONDE_REDACT_H

#include <sonde/err.h>
#include <sonde/str.h>
#include <sonde/tape.h>

struct sonde_redactor;

/* Lists are comma-separated, NULL or empty for none. SONDE_E_NOMEM; SONDE_E_LIMIT past 1,000
 * names. Own: sonde_redactor_free. */
int sonde_redactor_new(struct sonde_redactor **out, const char *names, const char *types,
                       const char *excluded_names, struct sonde_err *err);
void sonde_redactor_free(struct sonde_redactor *redactor);

/* Under 50 ns for names of usual length; names over 64 bytes are looked at by their end. */
bool sonde_redactor_hides_name(const struct sonde_redactor *redactor,
                               struct sonde_str name);

/* The same of a text as the runtime keeps it; `units` as in sonde_tape_text, not 0. */
bool sonde_redactor_hides_text(const struct sonde_redactor *redactor,
                               enum sonde_encoding encoding, const void *data,
                               size_t units);

/* Whether any type is hidden: if none is, there is nothing to ask of each. */
bool sonde_redactor_has_types(const struct sonde_redactor *redactor);

bool sonde_redactor_hides_type(const struct sonde_redactor *redactor,
                               struct sonde_str type);

#endif
