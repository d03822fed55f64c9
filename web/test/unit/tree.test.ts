// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { treeKey, treeRows, type Folding } from "../../src/tree";
import { snapshotOf } from "./samples";

const int = (value: number) => ({ type: "int", value: String(value) });
const SNAPSHOT = snapshotOf("a", 1, {
  captures: {
    entry: { arguments: { cart: { type: "Cart", fields: { size: int(2), "a/b": int(3) } } } },
    return: {
      return_value: int(7),
      locals: { many: { type: "list", elements: Array.from({ length: 250 }, (_, n) => int(n)) } },
    },
  },
});
const folding = (open: Record<string, boolean>, shown: Record<string, number> = {}): Folding => ({
  open: new Map(Object.entries(open)),
  shown: new Map(Object.entries(shown)),
});
const paths = (with_: Folding) => treeRows(SNAPSHOT, with_).map((row) => row.path);

test("groups are open, values are not", () => {
  // Proves: one sees every name at once, and opens what one wants to see.
  assert.deepEqual(paths(folding({})), ["returned", "arguments", "arguments/cart", "locals", "locals/many"]);
  const rows = treeRows(SNAPSHOT, folding({ "arguments/cart": true }));
  assert.deepEqual(rows.slice(2, 5).map((row) => [row.path, row.level, row.position, row.setSize]), [
    ["arguments/cart", 2, 1, 1],
    ["arguments/cart/size", 3, 1, 2],
    ["arguments/cart/a%2Fb", 3, 2, 2],
  ]);
});

test("a long container is shown in pages", () => {
  // Proves: ten thousand members are not drawn at once, and the rest is named and reachable.
  const open = { "locals/many": true };
  const rows = treeRows(SNAPSHOT, folding(open));
  const last = rows[rows.length - 1];
  assert.deepEqual([last?.kind, last?.note, last?.path], ["more", "150 more", "locals/many/more"]);
  assert.deepEqual(treeKey(rows, "locals/many/more", "Enter"), { kind: "more", path: "locals/many" });
  assert.ok(paths(folding(open, { "locals/many": 300 })).includes("locals/many/249"));
});

test("a member that is not shown is not looked at", () => {
  // Proves: what is folded costs nothing.
  const trap = Object.defineProperty({ type: "list" }, "elements", {
    enumerable: true,
    get: () => Object.assign([1, 2], { slice: () => assert.fail("looked inside") }),
  });
  treeRows(snapshotOf("a", 1, { captures: { lines: { "1": { locals: { trap } } } } }), folding({}));
});

test("keys move, fold and unfold as the ARIA practices say", () => {
  // Proves: right opens, then goes in; left closes, then goes out; the ends hold.
  const closed = treeRows(SNAPSHOT, folding({}));
  const open = treeRows(SNAPSHOT, folding({ "arguments/cart": true }));
  const cases: [typeof open, string, string, unknown][] = [
    [closed, "arguments/cart", "ArrowRight", { kind: "fold", path: "arguments/cart", open: true }],
    [open, "arguments/cart", "ArrowRight", { kind: "focus", path: "arguments/cart/size" }],
    [open, "arguments/cart/size", "ArrowRight", null],
    [open, "arguments/cart/a%2Fb", "ArrowLeft", { kind: "focus", path: "arguments/cart" }],
    [open, "arguments/cart", "ArrowLeft", { kind: "fold", path: "arguments/cart", open: false }],
    [closed, "returned", "ArrowUp", { kind: "focus", path: "returned" }],
    [closed, "returned", "ArrowDown", { kind: "focus", path: "arguments" }],
    [closed, "returned", "End", { kind: "focus", path: "locals/many" }],
    [closed, "locals/many", "Home", { kind: "focus", path: "returned" }],
    [closed, "locals/many", " ", { kind: "fold", path: "locals/many", open: true }],
    [closed, "returned", "Enter", null],
    [closed, "returned", "x", null],
  ];
  for (const [rows, focused, key, step] of cases) {
    assert.deepEqual(treeKey(rows, focused, key), step, `${key} at ${focused}`);
  }
});

test("an exception is shown in the result's place", () => {
  // Proves: a function that was left by an exception says so, with type and message.
  const rows = treeRows(
    snapshotOf("a", 1, { captures: { return: { throwable: { type: "Boom", message: { type: "str", value: "no" } } } } }),
    folding({}),
  );
  assert.deepEqual([rows[0]?.path, rows[0]?.value?.type, rows[0]?.value?.value], ["raised", "Boom", "no"]);
  const message = { type: "Boom", fields: { code: { type: "int", value: "7" } } };
  const own = treeRows(
    snapshotOf("a", 1, { captures: { return: { throwable: { type: "Boom", message } } } }),
    folding({ raised: true }),
  );
  assert.deepEqual(
    own.map((row) => [row.path, row.value?.type, row.value?.value]),
    [["raised", "Boom", undefined], ["raised/code", "int", "7"]],
  );
});
