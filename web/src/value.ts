// SPDX-License-Identifier: Apache-2.0
//
// How a value reads: its own text, its one-line preview, and the mark that says what is missing.
// The words and the quoting follow the command line (cli/render_value.c).
import { escape, type Quoting } from "./escape";
import { plural } from "./format";
import type { Limits, Snapshot, Throwable, Value, Values } from "./types";

export type Tone = "plain" | "dim" | "name" | "text" | "number" | "mark" | "redacted";

export interface Piece {
  tone: Tone;
  text: string;
}

export interface Mark {
  tone: "mark" | "redacted";
  text: string;
}

// What is neither known to be a number nor known to be text is quoted with its type beside it:
// "42" and 42 must never look alike.
const BARE_TYPES = new Set(
  ("int float bool complex Decimal Integer Float TrueClass FalseClass Rational Complex " +
    "BigDecimal Range").split(" "),
);
const SIZED_NUMBER = /^(u?int|float)\d+$/;

// Types that the shape of their value says already: left out of previews.
const OBVIOUS_TYPES = new Set(
  ("int float bool str list dict NoneType Integer Float String Array Hash TrueClass FalseClass " +
    "NilClass Symbol").split(" "),
);

const NESTING_MOST = 2; // containers opened one inside another in a preview
const TEXT_MOST = 40; // characters of a text in a preview

/** What Ruby writes after a symbol's colon without quotes. */
const RUBY_WORD = /^[A-Za-z_][A-Za-z0-9_]*[?!=]?$/;

export function isBytes(value: Value): boolean {
  return value.type === "bytes" || value.type === "bytearray";
}

function isBare(type: string, text: string): boolean {
  return /^[!#-~]+$/.test(text) && (BARE_TYPES.has(type) || SIZED_NUMBER.test(type));
}

/** "<Order at 0x7f9cc606d1c0>": it names the type itself. */
function isOpaque(type: string, text: string): boolean {
  return (
    type !== "" &&
    text.startsWith(`<${type} at 0x`) &&
    /^[0-9a-f]+>$/.test(text.slice(type.length + 7))
  );
}

export function nullText(type: string): string {
  return type === "NoneType" ? "None" : type === "NilClass" ? "nil" : "null";
}

export interface Scalar {
  tone: Tone;
  sigil: string; // before the text and its quotes
  text: string;
  quoting: Quoting | null;
}

function symbol(text: string): Scalar {
  return { tone: "number", sigil: ":", text, quoting: RUBY_WORD.test(text) ? null : "quoted" };
}

/** How a scalar is shown, or null for a container or a value that was not captured. */
export function scalar(value: Value): Scalar | null {
  const type = value.type ?? "";
  if (value.value === undefined) {
    return value.is_null === true
      ? { tone: "dim", sigil: "", text: nullText(type), quoting: null }
      : null;
  }
  const text = value.value;
  if (isOpaque(type, text)) {
    return { tone: "dim", sigil: "", text, quoting: "bare" };
  }
  if (type === "Symbol") {
    return symbol(text);
  }
  if (isBare(type, text)) {
    return { tone: "number", sigil: "", text, quoting: null };
  }
  return { tone: "text", sigil: "", text, quoting: isBytes(value) ? "bytes" : "quoted" };
}

export function memberCount(value: Value): number | null {
  if (value.elements !== undefined) {
    return value.elements.length;
  }
  if (value.entries !== undefined) {
    return value.entries.length;
  }
  return value.fields === undefined ? null : Object.keys(value.fields).length;
}

const REASONS: Record<string, string> = {
  timeout: "time was up",
  budget: "snapshot was full",
  unreadable: "could not be read",
};

function cutText(value: Value): string {
  if (value.size === undefined) {
    return "cut";
  }
  if (isBytes(value)) {
    return `cut, ${value.size} bytes in all`;
  }
  const kept = [...(value.value ?? "")].length;
  // Ruby's strings know their bytes; to count characters would mean reading on.
  return value.type === "String" || value.type === "Symbol"
    ? `${plural(kept, "character")} of ${value.size} bytes`
    : `${kept} of ${value.size} characters`;
}

function cutContainer(value: Value, kept: number): string {
  const reason = value.not_captured_reason ?? "";
  const noun = value.fields !== undefined ? " fields" : "";
  const size = value.size === undefined ? `first ${kept}` : `${kept} of ${value.size}`;
  return size + noun + (REASONS[reason] === undefined ? "" : `, ${REASONS[reason]}`);
}

/** What is missing of a value, in words; null when it is whole. `limits` are its probe's. */
export function markOf(value: Value, limits: Limits | null): Mark | null {
  const reason = value.not_captured_reason ?? "";
  if (reason === "redacted") {
    return { tone: "redacted", text: "redacted" };
  }
  const isCut = value.truncated === true || reason !== "";
  const kept = memberCount(value);
  if (kept !== null) {
    return isCut ? { tone: "mark", text: cutContainer(value, kept) } : null;
  }
  if (value.value !== undefined) {
    return isCut ? { tone: "mark", text: cutText(value) } : null;
  }
  if (value.is_null === true) {
    return null;
  }
  if (reason === "depth") {
    const inside = value.size === undefined ? "" : `, ${value.size} inside`;
    return { tone: "mark", text: `deeper than ${limits?.depth ?? "the limit"}${inside}` };
  }
  return { tone: "mark", text: REASONS[reason] ?? `not captured${reason && ": " + escape(reason)}` };
}

/** A line of limited length, in runs of one tone. */
class Pen {
  readonly pieces: Piece[] = [];
  private columns = 0;

  constructor(private readonly most: number) {}

  get isFull(): boolean {
    return this.columns >= this.most;
  }

  put(tone: Tone, text: string): void {
    if (this.isFull || text === "") {
      return;
    }
    const cut = text.length > this.most - this.columns;
    const shown = cut ? text.slice(0, this.most - this.columns) + "…" : text;
    this.columns += text.length;
    const last = this.pieces[this.pieces.length - 1];
    if (last?.tone === tone) {
      last.text += shown;
    } else {
      this.pieces.push({ tone, text: shown });
    }
  }
}

function shorten(text: string): string {
  const characters = [...text.slice(0, 2 * TEXT_MOST + 2)];
  return characters.length > TEXT_MOST ? characters.slice(0, TEXT_MOST).join("") + "…" : text;
}

function putScalar(pen: Pen, value: Value): void {
  const shown = scalar(value);
  if (shown === null) {
    const mark = markOf(value, null);
    pen.put(mark?.tone ?? "mark", `‹${mark?.text ?? "nothing"}›`);
  } else if (shown.quoting === null || shown.quoting === "bare") {
    pen.put(shown.tone, shown.sigil + escape(shown.text));
  } else {
    pen.put(shown.tone, `${shown.sigil}"${escape(shorten(shown.text), shown.quoting)}"`);
  }
}

function putMembers(pen: Pen, value: Value, depth: number): void {
  const [opening, closing] = value.elements !== undefined ? ["[", "]"] : ["{", "}"];
  const count = memberCount(value) ?? 0;
  if (depth >= NESTING_MOST && count > 0) {
    pen.put("dim", value.elements === undefined ? "{…}" : `[${value.size ?? count}]`);
    return;
  }
  pen.put("plain", opening ?? "");
  let index = 0;
  const next = () => {
    if (index++ > 0) {
      pen.put("plain", ", ");
    }
    return !pen.isFull;
  };
  for (const element of value.elements ?? []) {
    if (!next()) {
      return;
    }
    putValue(pen, element, depth + 1);
  }
  for (const entry of value.entries ?? []) {
    if (!next()) {
      return;
    }
    putValue(pen, entry.key, NESTING_MOST, "name");
    pen.put("plain", ": ");
    putValue(pen, entry.value, depth + 1);
  }
  for (const name in value.fields) {
    if (!next()) {
      return;
    }
    pen.put("name", escape(name));
    pen.put("plain", ": ");
    putValue(pen, value.fields[name] ?? {}, depth + 1);
  }
  if (value.truncated === true) {
    next();
    pen.put("mark", "…");
  }
  pen.put("plain", closing ?? "");
}

function putValue(pen: Pen, value: Value, depth: number, keyTone?: Tone): void {
  const type = value.type ?? "";
  const isContainer = memberCount(value) !== null;
  const isSaid = OBVIOUS_TYPES.has(type) || (value.value !== undefined && isOpaque(type, value.value));
  const isKeyText = keyTone !== undefined && (type === "str" || type === "String");
  if (isKeyText && value.value !== undefined && /^[\w-]+$/.test(value.value)) {
    pen.put("name", value.value); // as a field would read
    return;
  }
  if (type !== "" && !isSaid && value.is_null !== true) {
    pen.put("dim", escape(type) + " ");
  }
  if (isContainer) {
    putMembers(pen, value, depth);
  } else {
    putScalar(pen, value);
  }
}

/** `Order {price: 5, items: [3]}` on one line of at most `most` columns. */
export function preview(value: Value, most: number): Piece[] {
  const pen = new Pen(most);
  putValue(pen, value, 0);
  return pen.pieces;
}

/** A container's members alone; its type stands beside it in the tree. */
export function previewMembers(value: Value, most: number): Piece[] {
  const pen = new Pen(most);
  putMembers(pen, value, 0);
  return pen.pieces;
}

export function previewKey(value: Value, most: number): Piece[] {
  const pen = new Pen(most);
  putValue(pen, value, NESTING_MOST - 1, "name");
  return pen.pieces;
}

/** `self` is in nearly every frame, and large: it would leave no room for what was looked for. */
function putNamed(pen: Pen, values: Values | undefined, isSelf = false): void {
  for (const name in values) {
    if (pen.isFull) {
      return;
    }
    if ((name === "self") !== isSelf) {
      continue;
    }
    pen.put("name", escape(name));
    pen.put("dim", "=");
    putValue(pen, values[name] ?? {}, 1);
    pen.put("plain", "  ");
  }
}

function putThrowable(pen: Pen, throwable: Throwable): void {
  pen.put("mark", `raised ${escape(throwable.type)}`);
  if (throwable.message !== undefined) {
    pen.put("plain", " ");
    if (throwable.message.fields !== undefined && throwable.message.type === throwable.type) {
      putMembers(pen, throwable.message, 0); // its own fields: the type is said
    } else {
      putValue(pen, throwable.message, 1);
    }
  }
  pen.put("plain", "  ");
}

function putCaptures(pen: Pen, { captures = {}, outcome }: Snapshot): void {
  const left = captures.return;
  if (left?.throwable !== undefined) {
    putThrowable(pen, left.throwable);
  } else if (left?.return_value !== undefined) {
    pen.put("dim", "→ ");
    putValue(pen, left.return_value, 0);
    pen.put("plain", "  ");
  } else if (outcome === "closed" || outcome === "cancelled" || outcome === "left") {
    pen.put("dim", `${outcome}  `);
  }
  for (const isSelf of [false, true]) {
    putNamed(pen, captures.entry?.arguments ?? left?.arguments, isSelf);
    for (const line in captures.lines) {
      putNamed(pen, captures.lines[line]?.arguments, isSelf);
      putNamed(pen, captures.lines[line]?.locals, isSelf);
    }
    putNamed(pen, left?.locals, isSelf);
  }
}

/** A whole snapshot on one line: what came out first, then what went in, then locals, then self. */
export function previewSnapshot(snapshot: Snapshot, most: number): Piece[] {
  const pen = new Pen(most);
  putCaptures(pen, snapshot);
  return pen.pieces;
}
