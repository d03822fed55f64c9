// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bodies } from "../../src/bodies";
import { addNewest, addOlder, EMPTY_LIST, filtered, nextOlder, pause, summarize, SUMMARIES_MOST, type Summary } from "../../src/list";
import { snapshotOf } from "./samples";

const at = (...times: number[]): Summary[] => times.map((ns) => summarize(snapshotOf(`s${ns}`, ns)));
const ids = (items: Summary[]) => items.map((item) => item.id).join(" ");
const ALL = { service: "", probe: "", text: "" };

test("what comes live and what is caught up make one list, each once, newest first", () => {
  // Proves: no duplicate and no wrong order after a reconnect, whatever overlaps and however late
  // an agent delivers.
  let list = addNewest(EMPTY_LIST, at(3, 5));
  list = addNewest(list, at(9)); // live, after the reconnect
  list = addNewest(list, at(9, 8, 7, 5, 3)); // caught up
  list = addNewest(list, at(4)); // late
  assert.equal(ids(list.items), "s9 s8 s7 s5 s4 s3");
});

test("snapshots of one moment are all kept", () => {
  // Proves: the time alone does not make two snapshots one.
  const same = ["a", "b", "c"].map((id) => summarize(snapshotOf(id, 7)));
  const list = addNewest(addNewest(EMPTY_LIST, same.slice(0, 2)), same.slice(1));
  assert.equal(ids(list.items), "c b a");
});

test("a paused list stands still, counts what waits, and loses nothing", () => {
  // Proves: nothing moves while paused, what the list shows does not wait again, and going on
  // shows all of it.
  let list = pause(addNewest(EMPTY_LIST, at(1, 2)), true);
  list = addNewest(addNewest(list, at(3)), at(2, 4));
  assert.equal(ids(list.items), "s2 s1");
  assert.equal(list.waiting.length, 2);
  list = pause(list, false);
  assert.equal(ids(list.items), "s4 s3 s2 s1");
  assert.equal(list.waiting.length, 0);
});

test("the list is bounded, and keeps the newest", () => {
  // Proves: memory does not grow with time, in the list nor in what waits.
  const many = Array.from({ length: SUMMARIES_MOST + 10 }, (_, n) => n + 1);
  const list = addNewest(EMPTY_LIST, at(...many));
  assert.equal(list.items.length, SUMMARIES_MOST);
  assert.equal(list.items[0]?.ns, SUMMARIES_MOST + 10);
  assert.equal(nextOlder(list, ALL), null);
  const waiting = addNewest(pause(EMPTY_LIST, true), at(...many)).waiting;
  assert.equal(waiting.length, SUMMARIES_MOST);
});

test("filters look at service, probe, place, values and trace", () => {
  // Proves: each filter takes what it names, and text is found without regard to case.
  const items = [
    summarize(snapshotOf("a", 3, { service: "api", probe_id: "p-2" })),
    summarize(snapshotOf("b", 2, { trace: { trace_id: "4BF92f", span_id: "1" } })),
    summarize(snapshotOf("c", 1, { captures: { lines: { "1": { locals: { item: { type: "str", value: "Tea" } } } } } })),
  ];
  const found = (part: object) => ids(filtered(items, { ...ALL, ...part }));
  assert.equal(found({}), "a b c");
  assert.equal(found({ service: "api" }), "a");
  assert.equal(found({ probe: "p-1" }), "b c");
  assert.equal(found({ text: "4bf92F" }), "b");
  assert.equal(found({ text: "TEA" }), "c");
  assert.equal(found({ text: "cart.total", service: "api" }), "a");
  assert.equal(found({ text: "nowhere" }), "");
});

test("older ones go on where each filter's own list ended", () => {
  // Proves: after a filter has reached further back, the whole list goes on without a gap; the
  // end is known when fewer come than were asked for.
  let list = addNewest(EMPTY_LIST, at(10, 9));
  assert.deepEqual(nextOlder(list, ALL), { before: "s9" });
  const byProbe = { ...ALL, probe: "p-1" };
  list = addOlder(list, byProbe, at(5, 3), 2);
  assert.deepEqual(nextOlder(list, byProbe), { before: "s3" });
  assert.deepEqual(nextOlder(list, ALL), { before: "s9" });
  list = addOlder(list, ALL, at(8, 7, 5), 4);
  assert.equal(ids(list.items), "s10 s9 s8 s7 s5 s3");
  assert.equal(nextOlder(list, ALL), null);
  assert.equal(nextOlder({ ...list, isLoadingOlder: true }, byProbe), null);
});

test("only so many whole snapshots are kept, those used last", () => {
  // Proves: the bodies are bounded, and one that is looked at stays.
  const bodies = new Bodies(2);
  bodies.put(snapshotOf("a", 1));
  bodies.put(snapshotOf("b", 2));
  bodies.get("a");
  bodies.put(snapshotOf("c", 3));
  assert.equal(bodies.get("b"), null);
  assert.equal(bodies.get("a")?.id, "a");
  assert.equal(bodies.get("c")?.id, "c");
});
