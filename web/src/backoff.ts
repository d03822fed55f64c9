// SPDX-License-Identifier: Apache-2.0

const FIRST_MS = 500;
const MOST_MS = 10_000;

/**
 * How long to wait before the try after `failures` of them. Half of it is random: the pages that
 * lost one collector must not all come back in the same moment.
 */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return Math.round(full / 2 + (full / 2) * random);
}
