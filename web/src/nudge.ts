// SPDX-License-Identifier: Apache-2.0
//
// A pause that something may cut short: a token was given, the network is back, the page is
// looked at again.

const sleepers = new Set<() => void>();

export function nudge(): void {
  sleepers.forEach((wake) => wake());
}

/** `ms` null: until nudged. */
export function pauseFor(ms: number | null): Promise<void> {
  return new Promise((resolve) => {
    const timer = ms === null ? undefined : setTimeout(wake, ms);
    function wake() {
      clearTimeout(timer);
      sleepers.delete(wake);
      resolve();
    }
    sleepers.add(wake);
  });
}
