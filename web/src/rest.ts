// SPDX-License-Identifier: Apache-2.0
//
// A browser gives one host six connections over all its tabs, and an open stream holds one of
// them. A tab that nobody has looked at for a while gives its own back until it is looked at.
import { nudge } from "./nudge";

const HIDDEN_MS = 30_000;

let timer: ReturnType<typeof setTimeout> | undefined;
let isAtRest = false;
const listeners = new Set<() => void>();

export function isResting(): boolean {
  return isAtRest;
}

/** Calls `stop` when the page comes to rest; returns what takes that back. */
export function onRest(stop: () => void): () => void {
  listeners.add(stop);
  return () => listeners.delete(stop);
}

/** At the start, and whenever the page is hidden or shown. */
export function noteVisibility(): void {
  clearTimeout(timer);
  if (document.hidden) {
    timer = setTimeout(() => {
      isAtRest = true;
      listeners.forEach((stop) => stop());
      nudge(); // what waits to try again rests, too
    }, HIDDEN_MS);
  } else {
    isAtRest = false;
    nudge();
  }
}
