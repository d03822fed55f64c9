/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot may hold at most, and what it says where it was cut. */
#ifndef SONDE_LIMITS_H
#define SONDE_LIMITS_H

#include <stdint.h>

/* X(member, JSON name, default, least, most). A value outside least…most is clamped, and the
 * clamping is reported with the probe's status. */
#define SONDE_LIMIT_LIST(X)                                                             \
    X(depth, "depth", 3, 0, 10)              /* containers opened one inside another */ \
    X(elements, "elements", 100, 0, 10000)   /* per collection */                       \
    X(length, "length", 255, 0, 65536)       /* characters per text */                  \
    X(fields, "fields", 20, 0, 1000)         /* per object */                           \
    X(frames, "frames", 64, 0, 256)          /* of the stack */                         \
    X(time_us, "time_us", 5000, 100, 100000) /* of the thread's CPU time, per hit */    \
    X(bytes, "bytes", 65536, 4096, 65536)    /* per snapshot, on the tape */

struct sonde_limits {
#define SONDE_LIMIT_MEMBER(member, name, value, least, most) uint32_t member;
    SONDE_LIMIT_LIST(SONDE_LIMIT_MEMBER)
#undef SONDE_LIMIT_MEMBER
};

#define SONDE_LIMIT_DEFAULT(member, name, value, least, most) .member = (value),
#define SONDE_LIMITS_INIT                     \
    {                                         \
        SONDE_LIMIT_LIST(SONDE_LIMIT_DEFAULT) \
    }

/* Why a value is missing or was cut short. X(NAME, wire text) */
#define SONDE_REASON_LIST(X)                                                    \
    X(NONE, "")                                                                 \
    X(DEPTH, "depth")                     /* nested deeper than limits.depth */ \
    X(COLLECTION_SIZE, "collection_size") /* more than limits.elements */       \
    X(FIELD_COUNT, "field_count")         /* more than limits.fields */         \
    X(TIMEOUT, "timeout")                 /* limits.time_us was used up */      \
    X(BUDGET, "budget")                   /* limits.bytes was used up */        \
    X(REDACTED, "redacted")               /* its name or type is sensitive */   \
    X(UNREADABLE, "unreadable")           /* the runtime could not read it natively */

enum sonde_reason {
#define SONDE_REASON_ENUM(name, text) SONDE_REASON_##name,
    SONDE_REASON_LIST(SONDE_REASON_ENUM)
#undef SONDE_REASON_ENUM
};

#endif
