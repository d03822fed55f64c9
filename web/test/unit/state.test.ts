// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { definition, emptyFields, fieldsOf, seconds } from "../../src/form";
import { ailments, byHealth, isUnwell } from "../../src/health";
import { atLine, definitionOf, instanceRows, problems, sums, tally, whyNothing } from "../../src/probes";
import { INITIAL, reduce } from "../../src/state";
import { instanceOf, probeOf, processOf } from "./samples";

test("a probe's processes: those that reported, those that did not, those that are gone", () => {
  // Proves: a status is never shown for a process that is gone or has an older revision, and a
  // process that should have answered is not left out.
  const probe = probeOf("p", {
    revision: 2,
    service: "shop",
    instances: [
      instanceOf("a", { revision: 2, status: "emitting", hits: 5, captured: 2 }),
      instanceOf("b", { revision: 1, status: "emitting" }),
      instanceOf("c", { revision: 2, status: "error", cause: "internal" }),
    ],
  });
  const processes = ["a", "b", "c", "d", "e"].map((id, n) =>
    processOf(id, { pid: n, connected: id !== "c", service: id === "e" ? "api" : "shop" }),
  );
  const rows = instanceRows(probe, processes);
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row.id, row.state])), {
    a: "emitting",
    b: "received",
    c: "gone",
    d: "unheard",
  });
  assert.deepEqual(tally(rows).map(({ state, count }) => `${count} ${state}`), [
    "1 emitting",
    "1 received",
    "1 unheard",
    "1 gone",
  ]);
  assert.deepEqual(sums(probe), { hits: 5, captured: 2 });
});

test("twenty workers with one cause are one problem", () => {
  // Proves: causes are summed up with their nearest lines; a pending process beside one that has
  // the probe is no problem, alone it is.
  const error = { status: "error", cause: "line_not_executable", message: "no", nearest_lines: [3, 5] } as const;
  const of = (...instances: Parameters<typeof instanceOf>[]) =>
    problems(instanceRows(probeOf("p", { instances: instances.map((one) => instanceOf(...one)) }), []));
  assert.deepEqual(of(["a", { ...error, nearest_lines: [3, 5] }], ["b", { ...error, nearest_lines: [3, 5] }]), [
    { state: "error", cause: "line_not_executable", message: "no", nearest: [3, 5], count: 2 },
  ]);
  const pending = { status: "pending", cause: "file_not_loaded" } as const;
  assert.equal(of(["a", pending]).length, 1);
  assert.equal(of(["a", pending], ["b", { status: "emitting" }]).length, 0);
});

test("picking a nearest line keeps everything else of the probe", () => {
  // Proves: the next revision differs in its line alone.
  const probe = probeOf("p", { location: "a:1/cart.py:43", rate: 5, service: "shop", tags: { why: "x" } });
  const next = { ...definitionOf(probe), location: atLine(probe.location, 44) };
  assert.equal(next.location, "a:1/cart.py:44");
  assert.equal(next.id, "p");
  assert.equal(next.rate, 5);
  assert.deepEqual(next.tags, { why: "x" });
});

test("an empty list says why", () => {
  // Proves: each reason for no snapshots has its own sentence.
  const why = (part: object, processes = [processOf("a")]) => {
    const probe = probeOf("p", { instances: [instanceOf("a", part)] });
    return whyNothing(probe, instanceRows(probe, processes));
  };
  assert.match(why({ status: "installed" }), /waiting for traffic/);
  assert.match(why({ status: "installed", hits: 3 }), /nothing was captured/);
  assert.match(why({ status: "pending", cause: "file_not_loaded" }), /not loaded yet/);
  assert.match(why({ status: "error", cause: "internal" }), /No process could set it/);
  assert.match(why({}, [processOf("a", { connected: false })]), /No process is connected/);
});

test("a definition holds what was typed and nothing else", () => {
  // Proves: an untouched form sends the defaults of the collector, numbers travel as numbers, and
  // what is none goes as it is, for the collector to refuse.
  assert.deepEqual(definition({ ...emptyFields(" cart.py:43 "), service: " shop " }, null), {
    location: "cart.py:43",
    service: "shop",
    capture: { arguments: true, locals: true, return: true, stack: true },
  });
  const fields = { ...emptyFields("m:f"), at: "entry", rate: "0.5", hit_limit: "x", expires: "1.5h" };
  fields.limits = { ...fields.limits, depth: "5", bytes: "many" };
  const sent = definition(fields, null);
  assert.equal(sent.rate, 0.5);
  assert.equal(sent.hit_limit, "x");
  assert.equal(sent.expires_in_s, 5400);
  assert.deepEqual(sent.limits, { depth: 5, bytes: "many" });
  assert.equal(seconds("90"), 90);
  assert.equal(seconds("soon"), null);
});

test("changing a probe keeps its id, its tags and when it ends", () => {
  // Proves: a revision does not lose what the form has no field for; "never" takes the end away.
  const probe = probeOf("p", { expires_at_ns: 99, rate: 7, hit_limit: 3, tags: { a: 1 } });
  const same = definition(fieldsOf(probe), probe);
  assert.deepEqual([same.id, same.expires_at_ns, same.rate, same.hit_limit, same.tags], ["p", 99, 7, 3, { a: 1 }]);
  const never = definition({ ...fieldsOf(probe), expires: "never" }, probe);
  assert.equal(never.expires_at_ns, undefined);
  assert.equal(never.expires_in_s, undefined);
});

test("what a process suffers from is in words, and comes first", () => {
  // Proves: a disarmed part and lost records are told, and such a process is listed before others.
  const ill = processOf("ill", { dropped: { queue_full: 1200 }, disarmed: [{ part: "trace", message: "out of memory", count: 2 }] });
  assert.deepEqual(ailments(ill, 0), [
    "trace switched itself off: out of memory (2 times)",
    "lost records: queue_full 1,200",
  ]);
  const gone = processOf("gone", { connected: false, seen_at_ns: 0 });
  assert.deepEqual(ailments(gone, 600_000), ["gone, last heard of 10 min ago"]);
  assert.deepEqual(byHealth([gone, processOf("well"), ill]).map((one) => one.instance_id), ["ill", "well", "gone"]);
  assert.equal(isUnwell(gone), false);
});

test("a removed probe leaves the list and its filter", () => {
  // Proves: the list is not left empty by a filter that can not be chosen any more.
  let state = reduce(INITIAL, { type: "probes", probes: [probeOf("a"), probeOf("b")] });
  state = reduce(state, { type: "route", route: { kind: "probe", id: "a" } });
  assert.equal(state.filter.probe, "a");
  assert.ok(state.unfolded.has("a"));
  state = reduce(state, { type: "probe-removed", id: "a" });
  assert.equal(state.filter.probe, "");
  assert.deepEqual(state.probes?.map((probe) => probe.id), ["b"]);
});

test("a new probe is first, a revision stays in its place", () => {
  // Proves: a row does not jump away under the hand that just changed it.
  let state = reduce(INITIAL, { type: "probes", probes: [probeOf("a"), probeOf("b")] });
  state = reduce(state, { type: "probe", probe: probeOf("c") });
  state = reduce(state, { type: "probe", probe: probeOf("b", { revision: 2 }) });
  assert.deepEqual(state.probes?.map((probe) => `${probe.id}${probe.revision}`), ["c1", "a1", "b2"]);
});
