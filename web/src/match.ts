// SPDX-License-Identifier: Apache-2.0
//
// Which letters of a name were meant by what was typed, to be marked. The collector decides what
// is found; this only shows why.

export type Range = [start: number, end: number];

const LETTERS_MOST = 64;
const NAME_MOST = 500;

function isWordStart(text: string, at: number): boolean {
  if (at === 0) {
    return true;
  }
  const before = text[at - 1] ?? "";
  const here = text[at] ?? "";
  return /[^\p{L}\p{N}]/u.test(before) || (/\p{Lu}/u.test(here) && !/\p{Lu}/u.test(before)) ||
    (/\p{N}/u.test(here) && !/\p{N}/u.test(before));
}

/**
 * Each letter goes on where the one before was found, or begins a later word. From the last letter
 * back: where it may stand so that all that follow have a place, too.
 */
function humps(text: string, query: string): Range[] | null {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) {
    return null; // a letter that is two in lower case: places would not agree
  }
  const isStart = Array.from({ length: text.length }, (_, at) => isWordStart(text, at));
  // For each letter: may it stand here, and the next word at which it may.
  const fits: boolean[][] = [];
  const nextWord: number[][] = [];
  for (let letter = query.length - 1; letter >= 0; letter--) {
    const here: boolean[] = new Array<boolean>(text.length + 1).fill(false);
    const next: number[] = new Array<number>(text.length + 1).fill(-1);
    const isLast = letter === query.length - 1;
    for (let at = text.length - 1; at >= 0; at--) {
      const goesOn = isLast || fits[letter + 1]?.[at + 1] === true || (nextWord[letter + 1]?.[at + 1] ?? -1) >= 0;
      here[at] = lower[at] === query[letter] && goesOn;
      next[at] = here[at] && isStart[at] === true ? at : (next[at + 1] ?? -1);
    }
    fits[letter] = here;
    nextWord[letter] = next;
  }
  const out: Range[] = [];
  let at = 0;
  for (let letter = 0; letter < query.length; letter++) {
    const last = out[out.length - 1];
    if (last !== undefined && fits[letter]?.[at] === true) {
      last[1] = ++at;
      continue;
    }
    const found = nextWord[letter]?.[at] ?? -1;
    if (found < 0) {
      return null;
    }
    at = found + 1;
    out.push([found, at]);
  }
  return out;
}

/** The part that begins a word is meant before one that does not; of several the last. */
function part(text: string, query: string): Range[] | null {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) {
    return null; // a letter that is two in lower case: places would not agree
  }
  let found = -1;
  for (let at = lower.indexOf(query); at >= 0; at = lower.indexOf(query, at + 1)) {
    if (found < 0 || isWordStart(text, at) || !isWordStart(text, found)) {
      found = at;
    }
  }
  return found < 0 ? null : [[found, found + query.length]];
}

/** The ranges of `text` that `query` stands for; none when that can not be told. */
export function marksOf(text: string, query: string): Range[] {
  const wanted = query.trim().toLowerCase();
  if (wanted === "" || wanted.length > LETTERS_MOST || text.length > NAME_MOST) {
    return [];
  }
  // The name itself is meant before its owners.
  const own = /[^.#:]*$/.exec(text)?.index ?? 0;
  const name = text.slice(own);
  const letters = wanted.replace(/[^\p{L}\p{N}]/gu, ""); // "sh_al" is two words, too
  const inName = part(name, wanted) ?? humps(name, letters);
  if (inName !== null) {
    return inName.map(([start, end]) => [start + own, end + own]);
  }
  return part(text, wanted) ?? humps(text, letters) ?? [];
}

/** `text` in pieces, each marked or not. */
export function marked(text: string, ranges: Range[]): { text: string; isMarked: boolean }[] {
  const out: { text: string; isMarked: boolean }[] = [];
  let at = 0;
  for (const [start, end] of ranges) {
    if (start > at) {
      out.push({ text: text.slice(at, start), isMarked: false });
    }
    out.push({ text: text.slice(start, end), isMarked: true });
    at = end;
  }
  if (at < text.length) {
    out.push({ text: text.slice(at), isMarked: false });
  }
  return out;
}
