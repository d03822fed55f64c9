// SPDX-License-Identifier: Apache-2.0
//
// Times, spans, counts and places in words.
import type { Counts, Frame, Snapshot } from "./types";

const two = (n: number) => String(n).padStart(2, "0");

function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** "14:02:11.482" today, "03-01 14:02:11" on another day: both fit one column. */
export function clockTime(ns: number, nowMs: number): string {
  const date = new Date(ns / 1e6);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return dayOf(date) === dayOf(new Date(nowMs))
    ? `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`
    : `${dayOf(date).slice(5)} ${time}`;
}

export function fullTime(ns: number): string {
  const date = new Date(ns / 1e6);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${dayOf(date)} ${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** "1.23 ms": three digits that count. */
export function elapsed(ns: number): string {
  const units: [number, string][] = [
    [1e9, "s"],
    [1e6, "ms"],
    [1e3, "µs"],
  ];
  for (const [size, unit] of units) {
    if (ns >= size) {
      const value = ns / size;
      return `${value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
    }
  }
  return `${ns} ns`;
}

/**
 * How a function's run ended and how long it took, of both what is known: "returned in 301 ms
 * (300 ms suspended)". Empty for what is no function's exit.
 */
export function ending(snapshot: Pick<Snapshot, "duration_ns" | "suspended_ns" | "outcome">): string {
  const { duration_ns: duration, suspended_ns: suspended } = snapshot;
  const [verb, before] = ENDINGS.get(snapshot.outcome ?? "") ?? ["", "took"];
  if (duration === null) {
    return verb;
  }
  const parts = [verb, before, elapsed(duration)];
  if (suspended !== null) {
    parts.push(`(${elapsed(suspended)} suspended)`);
  }
  return parts.filter(Boolean).join(" ");
}

const ENDINGS = new Map<string, [string, string]>([
  ["returned", ["returned", "in"]],
  ["raised", ["raised", "after"]],
  ["closed", ["was closed", "after"]],
  ["cancelled", ["was cancelled", "after"]],
  ["left", ["was left", "after"]],
]);

/** "90 s", "5 min", "3 h", "2 d": how long something is ago, or still goes on. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) {
    return `${seconds} s`;
  }
  if (seconds < 7200) {
    return `${Math.floor(seconds / 60)} min`;
  }
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** "1,204" */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function plural(n: number, noun: string): string {
  const many = noun.endsWith("s") ? `${noun}es` : `${noun}s`;
  return `${count(n)} ${n === 1 ? noun : many}`;
}

export function total(counts: Counts): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** "queue_full 12, rate 3" */
export function countsText(counts: Counts): string {
  return Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${reason} ${count(n)}`)
    .join(", ");
}

/**
 * A place in two parts: what may be cut when there is no room, and its tail, which may not:
 * "/srv/shop/" + "cart.py:43", "shop.cart:" + "Cart.total".
 */
export function splitPlace(place: string): { head: string; tail: string } {
  const slash = place.lastIndexOf("/");
  const colon = /^[\w.]+:(?=[A-Za-z_])/.exec(place)?.[0].length ?? 0;
  const at = Math.max(slash + 1, colon);
  return { head: place.slice(0, at), tail: place.slice(at) };
}

/** The file and its folder: what tells one views.py from another in a narrow column. */
export function shortPlace(place: string): string {
  return place.split("/").slice(-2).join("/");
}

/** "cart.py:43"; without the line where there is none. */
export function placeOf(frame: Frame): string {
  return frame.line > 0 ? `${frame.file}:${frame.line}` : frame.file;
}

const LIBRARY =
  /site-packages|dist-packages|\/lib(64)?\/(python|ruby)[\d.]*\/|\/gems\/|\/rubygems|<frozen |<internal:|^<string>/;

/** Whether a frame belongs to a library or the language, rather than to the application. */
export function isLibrary(file: string): boolean {
  return LIBRARY.test(file);
}
