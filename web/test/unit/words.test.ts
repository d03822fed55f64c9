// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs } from "../../src/backoff";
import { clockTime, count, countsText, elapsed, ending, fullTime, isLibrary, plural, shortPlace, span, splitPlace } from "../../src/format";
import { formatRoute, parseRoute } from "../../src/route";
import { topAfterInsert, topShowing, visibleRange } from "../../src/window";

test("times keep their milliseconds, and their day when it is another", () => {
  // Proves: two snapshots of one second are told apart, and yesterday's is not taken for today's.
  const date = new Date(2025, 2, 1, 14, 2, 11, 48);
  const ns = date.getTime() * 1e6;
  assert.equal(clockTime(ns, date.getTime() + 1000), "14:02:11.048");
  assert.equal(clockTime(ns, date.getTime() + 86_400_000), "03-01 14:02:11");
  assert.equal(fullTime(ns), "2025-03-01 14:02:11.048");
});

test("spans, durations and counts are short", () => {
  // Proves: the same words as the command line's, at their borders.
  assert.deepEqual([999, 1234, 45_600, 1_500_000, 2e9].map(elapsed), ["999 ns", "1.23 µs", "45.6 µs", "1.50 ms", "2.00 s"]);
  assert.deepEqual([0, -5, 119_000, 120_000, 7_200_000, 172_800_000].map(span), ["0 s", "0 s", "119 s", "2 min", "2 h", "2 d"]);
  assert.deepEqual([0, 999, 1204, 1234567].map(count), ["0", "999", "1,204", "1,234,567"]);
  assert.deepEqual([plural(1, "hit"), plural(2, "hit"), plural(2, "process")], ["1 hit", "2 hits", "2 processes"]);
  assert.equal(countsText({ rate: 0, queue_full: 1200 }), "queue_full 1,200");
});

test("a function's end is told with its times", () => {
  // Proves: PY-05, time suspended stands beside the duration, and being closed or cancelled is no failure.
  const said = (duration_ns: number | null, suspended_ns: number | null, outcome: string | null) =>
    ending({ duration_ns, suspended_ns, outcome });
  assert.equal(said(null, null, null), "");
  assert.equal(said(1_230_000, null, null), "took 1.23 ms");
  assert.equal(said(1_230_000, null, "returned"), "returned in 1.23 ms");
  assert.equal(said(301_200_000, 300_900_000, "returned"), "returned in 301 ms (301 ms suspended)");
  assert.equal(said(500, 0, "raised"), "raised after 500 ns (0 ns suspended)");
  assert.equal(said(5000, null, "closed"), "was closed after 5.00 µs");
  assert.equal(said(5000, 4000, "cancelled"), "was cancelled after 5.00 µs (4.00 µs suspended)");
  assert.equal(said(5000, null, "left"), "was left after 5.00 µs");
  assert.equal(said(null, 4000, "closed"), "was closed");
  assert.equal(said(500, null, "constructor"), "took 500 ns"); // a word that is none of ours
});

test("a place is cut at its head, so that file and line stay", () => {
  // Proves: what tells places apart is never what is cut.
  const split = (place: string) => Object.values(splitPlace(place)).join("|");
  assert.equal(split("/srv/shop/cart.py:43"), "/srv/shop/|cart.py:43");
  assert.equal(split("cart.py:43"), "|cart.py:43");
  assert.equal(split("shop.cart:Cart.total"), "shop.cart:|Cart.total");
  assert.equal(split("Cart#total"), "|Cart#total");
  assert.equal(shortPlace("/srv/shop/cart.py:43"), "shop/cart.py:43");
});

test("library frames are told from the application's", () => {
  // Proves: for both languages, also where the application lies beside its environment.
  for (const file of [
    "/srv/venv/lib/python3.13/site-packages/flask/app.py",
    "/usr/lib/python3/dist-packages/x.py",
    "/root/.pyenv/versions/3.13.0/lib/python3.13/threading.py",
    "<frozen importlib._bootstrap>",
    "/var/lib/gems/3.1.0/gems/sinatra-3.0/lib/sinatra/base.rb",
    "/usr/lib/ruby/3.1.0/monitor.rb",
    "<internal:kernel>",
  ]) {
    assert.ok(isLibrary(file), file);
  }
  for (const file of ["/srv/shop/cart.py", "/home/lib/app.rb", "app.py", "/srv/libpython/app.py"]) {
    assert.ok(!isLibrary(file), file);
  }
});

test("addresses name a snapshot or a probe, and go both ways", () => {
  // Proves: a deep link survives, and a broken one is no error.
  for (const route of [{ kind: "snapshot", id: "8411a5" }, { kind: "probe", id: "p-x.1" }] as const) {
    assert.deepEqual(parseRoute(formatRoute(route)), route);
  }
  for (const hash of ["", "#", "#/", "#/probe/", "#/probe/%", "#/other/x", "#/probe/a/b"]) {
    assert.deepEqual(parseRoute(hash), { kind: "none" }, hash);
  }
});

test("waits grow, are bounded, and are never all the same", () => {
  // Proves: back-off with jitter: at least half of the full wait, at most ten seconds.
  assert.deepEqual([0, 1, 2, 3, 9, 1000].map((n) => backoffMs(n, 1)), [500, 1000, 2000, 4000, 10_000, 10_000]);
  assert.deepEqual([0, 5].map((n) => backoffMs(n, 0)), [250, 5000]);
});

test("only rows on the screen are drawn", () => {
  // Proves: the number of drawn rows depends on the screen, not on the list; the ends are inside.
  const view = { top: 0, height: 480, rowHeight: 24, count: 10_000 };
  assert.deepEqual(visibleRange(view, 8), { first: 0, end: 28 });
  assert.deepEqual(visibleRange({ ...view, top: 120_000 }, 8), { first: 4992, end: 5028 });
  assert.deepEqual(visibleRange({ ...view, top: 239_520 }, 8), { first: 9972, end: 10_000 });
  assert.deepEqual(visibleRange({ ...view, count: 0 }, 8), { first: 0, end: 0 });
  assert.deepEqual(visibleRange({ ...view, top: 9999, count: 3 }, 8), { first: 3, end: 3 });
});

test("the row that is wanted is scrolled to, and no further", () => {
  // Proves: a row in sight does not move the list.
  const view = { top: 240, height: 480, rowHeight: 24, count: 100 };
  assert.equal(topShowing(view, 12), 240);
  assert.equal(topShowing(view, 2), 48);
  assert.equal(topShowing(view, 40), 504);
});

test("what is read stays in place when newer ones come", () => {
  // Proves: scrolled down, the list does not run away; at the top it follows the newest.
  const view = { top: 240, height: 480, rowHeight: 24, count: 100 };
  assert.equal(topAfterInsert(view, 3), 312);
  assert.equal(topAfterInsert({ ...view, top: 0 }, 3), 0);
});
