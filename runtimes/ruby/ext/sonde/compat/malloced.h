/* SPDX-License-Identifier: Apache-2.0
 *
 * What malloc has given out: for tests. */
#ifndef SONDE_RB_MALLOCED_H
#define SONDE_RB_MALLOCED_H

#include <malloc.h>
#include <stddef.h>

static inline size_t
sonde_rb_malloced_bytes(void)
{
#if __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else /* Debian 11; right below 2 GB */
    struct mallinfo info = mallinfo();
    return (size_t)info.uordblks + (size_t)info.hblkhd;
#endif
}

#endif
