// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { markOf, preview, previewSnapshot, scalar } from "../../src/value";
import { snapshotOf } from "./samples";
import type { Limits, Value } from "../../src/types";

const LIMITS: Limits = {
  depth: 3, elements: 100, length: 255, fields: 20, frames: 64, time_us: 5000, bytes: 65536,
};
const text = (value: Value, most = 200) => preview(value, most).map((piece) => piece.text).join("");
const str = (value: string): Value => ({ type: "str", value });
const int = (value: number): Value => ({ type: "int", value: String(value) });

test("scalars read as what they are", () => {
  // Proves: 42 and "42" never look alike; nulls have their language's name; an object that only
  // its address tells apart names its type once.
  assert.equal(text(int(42)), "42");
  assert.equal(text(str("42")), '"42"');
  assert.equal(text({ type: "Range", value: "1...5" }), "Range 1...5");
  assert.equal(text({ type: "int", value: "1 <b>" }), '"1 <b>"');
  assert.equal(text({ type: "uint16", value: "7" }), "uint16 7");
  assert.equal(text({ type: "NoneType", is_null: true }), "None");
  assert.equal(text({ type: "NilClass", is_null: true }), "nil");
  assert.equal(text({ type: "Order", value: "<Order at 0x7f>" }), "<Order at 0x7f>");
  assert.equal(text({ type: "bytes", value: '\\xff"' }), 'bytes "\\xff\\""');
  assert.equal(scalar({ type: "list", elements: [] }), null);
});

test("symbols read as Ruby writes them", () => {
  // Proves: a colon, quotes where Ruby would need them and around all that hides something; as a
  // key, too, so that it is told from a text.
  const symbol = (value: string): Value => ({ type: "Symbol", value });
  const cases: Record<string, string> = {
    paid: ":paid",
    "paid?": ":paid?",
    "_x9=": ":_x9=",
    "[]": ':"[]"',
    "9x": ':"9x"',
    "a b": ':"a b"',
    "a?b": ':"a?b"',
    "": ':""',
    "a\n": ':"a\\n"',
    'a"\u202e': ':"a\\"\\u202e"',
  };
  for (const [name, shown] of Object.entries(cases)) {
    assert.equal(text(symbol(name)), shown);
  }
  const entries = [
    { key: symbol("sku"), value: symbol("tea") },
    { key: { type: "String", value: "sku" }, value: int(1) },
    { key: symbol("a b"), value: int(2) },
  ];
  assert.equal(text({ type: "Hash", entries }), '{:sku: :tea, sku: 1, :"a b": 2}');
});

test("containers are previewed like in a debugger", () => {
  // Proves: fields, mappings and sequences, nested, on one line; deep ones are summed up.
  const order: Value = { type: "Order", fields: { price: int(5), items: { type: "list", elements: [int(1), str("a")] } } };
  assert.equal(text(order), 'Order {price: 5, items: [1, "a"]}');
  const dict: Value = { type: "dict", entries: [{ key: str("lat"), value: int(1) }, { key: int(2), value: str("b") }, { key: str("a b"), value: int(3) }] };
  assert.equal(text(dict), '{lat: 1, 2: "b", "a b": 3}');
  const deep: Value = { type: "list", elements: [{ type: "list", elements: [{ type: "list", elements: [int(1), int(2)] }] }] };
  assert.equal(text(deep), "[[[2]]]");
});

test("a preview is never longer than asked, nor looks further than it shows", () => {
  // Proves: ten thousand members cost no more than what fits, and the cut is shown.
  let looked = 0;
  const elements = Array.from({ length: 10_000 }, (_, n) => ({
    type: "int",
    get value() {
      looked++;
      return String(n);
    },
  }));
  const shown = text({ type: "list", elements }, 40);
  assert.ok(shown.length <= 41, shown);
  assert.ok(shown.endsWith("…"), shown);
  assert.ok(looked < 200, `looked at ${looked}`);
});

test("every mark says in words what is missing", () => {
  // Proves: truncation, depth, redaction and the other reasons each have their own words.
  const cases: [Value, string | null][] = [
    [str("whole"), null],
    [{ type: "str", value: "x".repeat(255), truncated: true, size: 300 }, "255 of 300 characters"],
    [{ type: "str", value: "\u{1f600}\u{1f600}", truncated: true, size: 9 }, "2 of 9 characters"],
    [{ type: "String", value: "\u03b1".repeat(255), truncated: true, size: 600 }, "255 characters of 600 bytes"],
    [{ type: "Symbol", value: "a", truncated: true, size: 300 }, "1 character of 300 bytes"],
    [{ type: "bytes", value: "\\x00", truncated: true, size: 300 }, "cut, 300 bytes in all"],
    [{ type: "list", elements: [int(1)], truncated: true, size: 150, not_captured_reason: "collection_size" }, "1 of 150"],
    [{ type: "T", fields: { a: int(1) }, truncated: true, size: 34, not_captured_reason: "field_count" }, "1 of 34 fields"],
    [{ type: "list", elements: [], truncated: true, not_captured_reason: "timeout" }, "first 0, time was up"],
    [{ type: "dict", not_captured_reason: "depth", size: 4 }, "deeper than 3, 4 inside"],
    [{ type: "str", not_captured_reason: "redacted" }, "redacted"],
    [{ type: "T", not_captured_reason: "unreadable" }, "could not be read"],
    [{ type: "T", not_captured_reason: "budget" }, "snapshot was full"],
    [{ type: "T", not_captured_reason: "new\u202e" }, "not captured: new\\u202e"],
  ];
  for (const [value, words] of cases) {
    assert.equal(markOf(value, LIMITS)?.text ?? null, words);
  }
  assert.equal(markOf({ type: "dict", not_captured_reason: "depth" }, null)?.text, "deeper than the limit");
  assert.equal(markOf({ type: "str", not_captured_reason: "redacted" }, null)?.tone, "redacted");
});

test("a snapshot's line begins with what came out", () => {
  // Proves: results and exceptions stand before arguments, hostile text is escaped in them, and
  // self, which every line of a method has, comes last.
  const line = (captures: object) =>
    previewSnapshot(snapshotOf("a", 1, { captures }), 200).map((piece) => piece.text).join("").trim();
  assert.equal(
    line({ entry: { arguments: { a: int(1) } }, return: { return_value: int(2), locals: { b: int(3) } } }),
    "→ 2  a=1  b=3",
  );
  assert.equal(
    line({ return: { throwable: { type: "Boom", message: str("a\u202e") } } }),
    'raised Boom "a\\u202e"',
  );
  const fields = { status_code: int(404), detail: str("no such item") };
  assert.equal(
    line({ return: { throwable: { type: "HTTPException", message: { type: "HTTPException", fields } } } }),
    'raised HTTPException {status_code: 404, detail: "no such item"}',
  );
  assert.equal(line({ lines: { "4": { arguments: {}, locals: { "x\n": int(1) } } } }), "x\\n=1");
  // PY-05: what was closed or cancelled neither returned nor raised.
  const closed = snapshotOf("a", 1, { outcome: "closed", captures: { entry: { arguments: { a: int(1) } }, return: {} } });
  assert.equal(previewSnapshot(closed, 200).map((piece) => piece.text).join("").trim(), "closed  a=1");
  const self: Value = { type: "Shop", fields: {} };
  assert.equal(
    line({ lines: { "4": { arguments: { self, a: int(1) }, locals: { b: int(2) } } } }),
    "a=1  b=2  self=Shop {}",
  );
});
