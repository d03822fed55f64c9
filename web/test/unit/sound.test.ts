// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { summarize } from "../../src/list";
import { soundSnapshot } from "../../src/sound";
import { treeRows } from "../../src/tree";
import type { Snapshot } from "../../src/types";
import { snapshotOf } from "./samples";

const ODD = [null, 5, "x", true, [], {}, [null], { type: 5 }, { elements: {} }, { fields: [] },
  { entries: [null, 5, {}] }, { value: 7 }, { type: "a", elements: [null, { fields: { a: 1 } }] }];

const shown = (snapshot: Snapshot) => {
  const sound = soundSnapshot(snapshot);
  const open = new Map(["a", "b", "arguments/a", "arguments/b", "locals/a", "returned"].map((path) => [path, true]));
  summarize(sound);
  return treeRows(sound, { open, shown: new Map() });
};

test("whatever lies in a snapshot, it can be shown", () => {
  // Proves: no member of the wrong kind, wherever, breaks a row or the tree.
  const make = (part: object) => shown({ ...snapshotOf("a", 1), ...part } as unknown as Snapshot);
  for (const odd of ODD) {
    make({ captures: odd });
    make({ captures: { lines: odd, entry: odd, return: odd } });
    make({ captures: { lines: { "1": odd }, entry: { arguments: odd }, return: { locals: odd } } });
    make({ captures: { lines: { "1": { locals: { a: odd } } }, return: { return_value: odd } } });
    make({ captures: { return: { throwable: odd } }, stack: odd });
    make({ captures: { return: { throwable: { type: odd, message: odd, stack: odd } } }, stack: [odd] });
    make({ location: { file: "", line: null, function: "" }, thread: { id: null, name: "" } });
  }
});

test("a value nested without end is cut", () => {
  // Proves: depth can not overflow the stack.
  let value: object = { type: "int", value: "1" };
  for (let i = 0; i < 5000; i++) {
    value = { type: "list", elements: [value] };
  }
  shown({ ...snapshotOf("a", 1), captures: { lines: { "1": { locals: { a: value } } } } } as Snapshot);
});

test("a field may be called anything", () => {
  // Proves: "__proto__" and its like are members like others, and change no other object.
  const locals = JSON.parse('{"__proto__": {"type": "int", "value": "1"}, "constructor": {"type": "int", "value": "2"}}');
  const rows = shown({ ...snapshotOf("a", 1), captures: { lines: { "1": { locals } } } });
  assert.deepEqual(rows.map((row) => row.path), ["locals", "locals/__proto__", "locals/constructor"]);
  assert.equal(({} as Record<string, unknown>).type, undefined);
});

test("what was sound stays as it was", () => {
  // Proves: nothing of a proper snapshot is lost on the way.
  const int = { type: "int", value: "1" };
  const cut = { type: "list", elements: [int], truncated: true, size: 9, not_captured_reason: "collection_size" };
  const whole = snapshotOf("a", 1, {
    stack: [{ file: "a.py", line: 3, function: "f" }],
    stack_truncated: true,
    captures: {
      lines: { "3": { arguments: { self: { type: "T", fields: { a: cut } } }, locals: {} } },
      entry: { arguments: { d: { type: "dict", entries: [{ key: int, value: { type: "N", is_null: true } }] } } },
      return: { locals: {}, throwable: { type: "E", message: { type: "str", value: "no" }, stack: [] } },
    },
  });
  assert.deepEqual(soundSnapshot(whole), whole);
});
