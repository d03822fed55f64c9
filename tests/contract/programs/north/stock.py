# SPDX-License-Identifier: Apache-2.0


def stock(n):
    return n  # LINE_STOCK
