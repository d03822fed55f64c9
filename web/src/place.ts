// SPDX-License-Identifier: Apache-2.0
//
// A place as a person types it, and what is known of its file.
import type { Scope } from "./symbols";

/** "app/cart.py:43" in its parts; null for what is no file and line. */
export function fileLine(location: string): { file: string; line: number } | null {
  const match = /^(.*[^:]):(\d{1,9})$/.exec(location.trim());
  return match === null ? null : { file: match[1] ?? "", line: Number(match[2]) };
}

/** What is typed of a file's name, with or without a line. */
export function fileQuery(text: string): { file: string; line: number } {
  const place = fileLine(text);
  return place ?? { file: text.trim().replace(/([^:]):$/, "$1"), line: 0 };
}

function looksLikeFile(text: string): boolean {
  return text.includes("/") || /\.(py|rb)$/.test(text);
}

export function isFileQuery(text: string): boolean {
  return looksLikeFile(fileQuery(text).file) || fileLine(text) !== null;
}

/**
 * Whether the collector could take it as a location: what can not be one is only being looked for,
 * and Enter takes the first that was found.
 */
export function canBeLocation(text: string): boolean {
  const place = text.trim();
  if (fileLine(place) !== null) {
    return true;
  }
  return !looksLikeFile(place) && (/[^:]:[^:]/.test(place) || /[^.#][.#][^.#]/.test(place));
}

const QUERY_BYTES = 200; // more the collector refuses

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

export function isTooLong(query: string): boolean {
  return bytesOf(query) > QUERY_BYTES;
}

/** What to look for to find a path: as much of its end as the collector takes. */
export function pathQuery(path: string): string {
  let tail = path.replace(/^(\.\/)+/, "").slice(-QUERY_BYTES);
  while (isTooLong(tail)) {
    tail = [...tail].slice(1).join("");
  }
  return tail;
}

/** Whether `typed`, as an agent reads it, names `path`: all of it, or the end from a slash on. */
export function namesFile(typed: string, path: string): boolean {
  const plain = typed.replace(/^(\.\/)+/, "");
  return plain !== "" && (path === plain || path.endsWith(plain.startsWith("/") ? plain : `/${plain}`));
}

/** Which lines of a file can take a probe, and in what scope each stands. */
export class LineMap {
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  /** `roots`: those of the file's units, which are parts of one tree. */
  constructor(readonly roots: Scope[]) {
    const all: [number, number][] = [];
    const collect = (scope: Scope): void => {
      scope.lines.forEach((range) => all.push(range));
      scope.scopes.forEach(collect);
    };
    roots.forEach(collect);
    all.sort((a, b) => a[0] - b[0]);
    for (const [start, end] of all) {
      const last = this.ends.length - 1;
      if (last >= 0 && start <= (this.ends[last] ?? 0) + 1) {
        this.ends[last] = Math.max(this.ends[last] ?? 0, end);
      } else {
        this.starts.push(start);
        this.ends.push(end);
      }
    }
  }

  get isEmpty(): boolean {
    return this.starts.length === 0;
  }

  /** The last line that can take a probe; 0: none can. */
  get last(): number {
    return this.ends[this.ends.length - 1] ?? 0;
  }

  /** The first range that begins after `line`. */
  private after(line: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] ?? 0) <= line) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  has(line: number): boolean {
    const at = this.after(line) - 1;
    return at >= 0 && line <= (this.ends[at] ?? 0);
  }

  /** The nearest lines that can take a probe, the one before and the one after. */
  nearest(line: number): number[] {
    const at = this.after(line);
    return [this.ends[at - 1], this.starts[at]].filter((near) => near !== undefined);
  }

  /** The next line in a direction that can take a probe; `line` when there is none. */
  step(line: number, by: 1 | -1): number {
    if (this.has(line + by)) {
      return line + by;
    }
    const at = this.after(line);
    const inside = this.has(line) ? 1 : 0;
    return (by > 0 ? this.starts[at] : this.ends[at - 1 - inside]) ?? line;
  }

  /** The scopes around a line, outermost first, without the file itself. */
  scopesAt(line: number): Scope[] {
    const out: Scope[] = [];
    let inside = this.roots.flatMap((root) => root.scopes);
    for (;;) {
      const around = inside.filter((scope) => scope.first > 0 && scope.first <= line && line <= reach(scope));
      // What a file reopens may surround what stands between: the narrowest is meant.
      const found = around.sort((a, b) => reach(a) - a.first - (reach(b) - b.first))[0];
      if (found === undefined) {
        return out;
      }
      out.push(found);
      inside = found.scopes;
    }
  }
}

/** A scope's last line; where that is not known, the last line in it that can take a probe. */
function reach(scope: Scope): number {
  if (scope.last > 0) {
    return scope.last;
  }
  const own = scope.lines.reduce((last, [, end]) => Math.max(last, end), scope.first);
  return scope.scopes.reduce((last, inner) => Math.max(last, reach(inner)), own);
}

/** "Basket › subtotal"; of blocks only what stands around them. */
export function scopeText(scopes: Scope[]): string {
  return scopes.map((scope) => scope.name).filter((name) => name !== "").join(" › ");
}

/**
 * Why a line takes no probe. `text`: the line's own, null where it is not known. One that is neither blank nor a
 * comment may go on what began above, or may have held code that ran when the file was loaded and is gone since.
 */
export function whyNot(text: string | null): string {
  if (text?.trim() === "") {
    return "no code on this line: it is blank";
  }
  return text !== null && /^\s*#/.test(text) ? "no code on this line: it is a comment" : "no code on this line can take a probe";
}
