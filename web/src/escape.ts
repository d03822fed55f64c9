// SPDX-License-Identifier: Apache-2.0
//
// Text from an application is hostile: it may hold characters that move, hide or reorder what a
// person reads. They are shown as escapes, the same ones that the command line shows
// (cli/pen.c).

// Controls of both ranges, soft hyphen, bidirectional marks and overrides, zero-width
// characters, line separators, interlinear marks, tags, and halves of characters.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/u;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export type Quoting = "bare" | "quoted" | "bytes";

/** A run of text as it is to be shown; `escaped` runs stand for what they spell. */
export interface Run {
  text: string;
  escaped: boolean;
}

function escapeOne(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) {
    return short;
  }
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) {
    return "\\x" + code.toString(16).padStart(2, "0");
  }
  return code < 0x10000
    ? "\\u" + code.toString(16).padStart(4, "0")
    : "\\U" + code.toString(16).padStart(8, "0");
}

/** `bytes` come escaped by the agent: their backslashes are left alone. */
export function runs(text: string, quoting: Quoting = "bare"): Run[] {
  const out: Run[] = [];
  let plain = "";
  for (const character of text) {
    const needsSlash =
      (character === '"' && quoting !== "bare") || (character === "\\" && quoting === "quoted");
    if (!needsSlash && !UNSAFE.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== "") {
      out.push({ text: plain, escaped: false });
      plain = "";
    }
    out.push({ text: needsSlash ? "\\" + character : escapeOne(character), escaped: true });
  }
  if (plain !== "") {
    out.push({ text: plain, escaped: false });
  }
  return out;
}

export function escape(text: string, quoting: Quoting = "bare"): string {
  return runs(text, quoting)
    .map((run) => run.text)
    .join("");
}
