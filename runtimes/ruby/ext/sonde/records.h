/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of widely used libraries, shown by what they stand for and not by how they keep it: Set, OpenStruct,
 * ActiveSupport::TimeWithZone, and the models of ActiveRecord and ActiveModel by their attributes. All of it is
 * read from instance variables; nothing of theirs is called, so nothing is loaded, cast or remembered.
 *
 * A model's attribute whose value nobody has read yet stands there only as it came from the database or from who
 * assigned it. It is shown so, and its type says it: "String (before type cast)"; where the cast would
 * change nothing (text in a text column, an Integer in an integer column) its type is the plain one. What a
 * `select` left out is not there.
 *
 * Ctx: a hook. Never raises, makes no object. */
#ifndef SONDE_RB_RECORDS_H
#define SONDE_RB_RECORDS_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* The instance variables by which such objects are told; Qundef: it has none of that name. */
struct sonde_rb_marks {
    VALUE hash;       /* @hash */
    VALUE attributes; /* @attributes */
    VALUE table;      /* @table */
    VALUE time_zone;  /* @time_zone */
};

#define SONDE_RB_NO_MARKS ((struct sonde_rb_marks){Qundef, Qundef, Qundef, Qundef})

/* Makes the names that are looked for. May raise. Ctx: VM lock, at load. */
void sonde_rb_records_init(void);

/* Keeps the value if the name is one of those. */
void sonde_rb_note_mark(struct sonde_rb_marks *marks, ID name, VALUE value);

/* Writes an object of the kinds above; false, with nothing written: it is none of them. `marks` are its own. */
bool sonde_rb_try_write_record(struct sonde_tape *tape, struct sonde_str type,
                               VALUE object, const struct sonde_rb_marks *marks);

#endif
