// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { lineStates, shadeLine } from "../../src/colour";
import { Completer, mergeHits, type Answer, type Hit } from "../../src/complete";
import { definition, emptyFields, fieldsOf, withLocation } from "../../src/form";
import { marked, marksOf } from "../../src/match";
import { outlineKey, outlineRows, signature } from "../../src/outline";
import { canBeLocation, fileLine, fileQuery, isFileQuery, isTooLong, LineMap, namesFile, pathQuery, scopeText, whyNot } from "../../src/place";
import { formatRoute, parseRoute } from "../../src/route";
import { INITIAL, reduce } from "../../src/state";
import { soundFiles, soundHits, soundServices, soundUnit, uploadState, type FileEntry, type Scope, type SymbolHit } from "../../src/symbols";
import { probeOf, processOf } from "./samples";

const scopeOf = (type: string, name: string, first: number, last: number, part: Partial<Scope> = {}): Scope => ({
  type, name, qualified: "", first, last, lines: [], names: [], scopes: [], ...part,
});
const hitOf = (name: string, part: Partial<SymbolHit> = {}): SymbolHit => ({
  kind: "function", type: "FUNCTION", name, qualified: "", file: "/a.py", line: 1, origin: "user", services: [], fileHash: "", location: "", ...part,
});
const fileOf = (file: string, part: Partial<FileEntry> = {}): FileEntry => ({
  file, origin: "user", language: "python", services: [], units: [], fileHash: "", ...part,
});

// Lines 1, 2 and 5 of the file, 7 of the class, 8 and 10 to 12 of its method.
const ROOT = scopeOf("MODULE", "shop", 1, 20, {
  lines: [[1, 2], [5, 5]],
  scopes: [
    scopeOf("CLASS", "Basket", 5, 12, {
      lines: [[7, 7]],
      scopes: [scopeOf("METHOD", "total", 7, 12, { lines: [[8, 8], [10, 12]], names: [{ type: "ARG", name: "self" }, { type: "LOCAL", name: "x" }] })],
    }),
  ],
});

test("a line can take a probe, or its neighbours can", () => {
  // Proves: SY-09's box, ranges of all scopes are one map; the nearest are the last before and the first after,
  // and there is one only at either end.
  const map = new LineMap([ROOT]);
  assert.deepEqual([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 12, 13].filter((line) => map.has(line)), [1, 2, 5, 7, 8, 10, 12]);
  assert.deepEqual([3, 6, 9, 13, 100].map((line) => map.nearest(line)), [[2, 5], [5, 7], [8, 10], [12], [12]]);
  assert.deepEqual(new LineMap([scopeOf("FILE", "a", 1, 9, { lines: [[4, 5]] })]).nearest(1), [4]);
  assert.deepEqual([map.step(2, 1), map.step(5, -1), map.step(1, 1), map.step(12, 1), map.step(1, -1), map.step(9, -1), map.step(11, -1)], [5, 2, 2, 12, 1, 8, 10]);
  assert.equal(map.last, 12);
  assert.ok(new LineMap([]).isEmpty);
});

test("a line's scope is the innermost around it", () => {
  // Proves: of scopes one inside another, and of a reopened class whose lines surround others, the narrowest is named.
  const map = new LineMap([ROOT]);
  assert.deepEqual([1, 6, 9, 13].map((line) => scopeText(map.scopesAt(line))), ["", "Basket", "Basket › total", ""]);
  const reopened = scopeOf("FILE", "a.rb", 1, 40, {
    scopes: [scopeOf("CLASS", "A", 1, 40), scopeOf("CLASS", "B", 10, 20, { scopes: [scopeOf("METHOD", "f", 11, 0, { lines: [[12, 14]] })] })],
  });
  const ruby = new LineMap([reopened]);
  assert.deepEqual([5, 11, 14, 19].map((line) => scopeText(ruby.scopesAt(line))), ["A", "B › f", "B › f", "B"]);
});

test("a large file's map is made and asked in no time to speak of", () => {
  // Proves: 20,000 scopes with 100,000 ranges are sorted once and then searched, not walked.
  const scopes = Array.from({ length: 20_000 }, (_, i) =>
    scopeOf("FUNCTION", `f${i}`, 10 * i + 1, 10 * i + 9, { lines: [1, 3, 5, 7, 9].map((n): [number, number] => [10 * i + n, 10 * i + n]) }));
  const map = new LineMap([scopeOf("MODULE", "large", 1, 200_000, { scopes })]);
  let taken = 0;
  for (let line = 1; line <= 200_000; line++) {
    taken += map.has(line) ? 1 : 0;
  }
  assert.equal(taken, 100_000);
});

test("what is typed: a place, a file's name, or a name to be looked for", () => {
  // Proves: Ruby's "::" is no line, a path is told from a name, and what the collector could take is never
  // mistaken for a search.
  assert.deepEqual(fileLine(" app/cart.py:43 "), { file: "app/cart.py", line: 43 });
  assert.deepEqual(["Shop::43", "cart.py", "cart.py:", ":43", "a:b"].map(fileLine), [null, null, null, null, null]);
  assert.deepEqual(fileQuery("cart.py:"), { file: "cart.py", line: 0 });
  assert.deepEqual(["app/ca", "cart.rb", "cart:4", "Cart.total", "ordCon"].map(isFileQuery), [true, true, true, false, false]);
  const whole = ["a.py:3", "shop.cart:Cart.total", "Shop::Cart#total", "Shop::Cart.load", "cart.total"];
  const half = ["ordCon", "Shop::Ca", "cart.py", "app/cart", "cart.", "Cart#", "shop:", ""];
  assert.deepEqual(whole.map(canBeLocation), whole.map(() => true));
  assert.deepEqual(half.map(canBeLocation), half.map(() => false));
  assert.deepEqual(["a".repeat(200), "ü".repeat(101)].map(isTooLong), [false, true]);
  assert.equal(pathQuery(`/${"ü".repeat(150)}/x.py`), `${"ü".repeat(97)}/x.py`);
  assert.equal(pathQuery("./app/x.py"), "app/x.py");
  const named = (typed: string) => namesFile(typed, "/srv/shop/cart.py");
  assert.deepEqual(["cart.py", "shop/cart.py", "./shop/cart.py", "/srv/shop/cart.py", "/cart.py", "art.py", ""].map(named), [true, true, true, true, true, false, false]);
});

test("a line without code says why", () => {
  // Proves: blank, comment, or neither.
  assert.deepEqual(["  ", "# x", "x = 1  # y", null].map(whyNot), [
    "no code on this line: it is blank",
    "no code on this line: it is a comment",
    "no code on this line can take a probe",
    "no code on this line can take a probe",
  ]);
});

test("the letters that were meant are marked", () => {
  // Proves: a part, of the name rather than of its owners; humps and words; nothing where it can not be told.
  const shown = (text: string, query: string) =>
    marked(text, marksOf(text, query)).map((piece) => (piece.isMarked ? `[${piece.text}]` : piece.text)).join("");
  assert.equal(shown("shop.total:Cart.total", "Total"), "shop.total:Cart.[total]");
  assert.equal(shown("reorders:orders", "ord"), "reorders:[ord]ers");
  assert.equal(shown("OrdersController", "ordCon"), "[Ord]ers[Con]troller");
  assert.equal(shown("OrdersController", "OC"), "[O]rders[C]ontroller");
  assert.equal(shown("show_total_price", "stp"), "[s]how_[t]otal_[p]rice");
  assert.equal(shown("app.orders:Order.show", "ordsho"), "app.[ord]ers:Order.[sho]w");
  assert.equal(shown("app.orders:OrdersController", "oc"), "app.orders:[O]rders[C]ontroller");
  assert.equal(shown("show_all_12", "sh_1"), "[sh]ow_all_[1]2");
  assert.equal(shown("Cart", "__"), "Cart");
  assert.equal(shown("Cart", "xyz"), "Cart");
  assert.equal(shown("Cart", ""), "Cart");
  assert.equal(marked("", []).length, 0);
  marksOf("aA".repeat(250), "a".repeat(60) + "b"); // ends, however often it could begin
});

test("names and files are one list, each in the collector's order", () => {
  // Proves: a file whose own name fits as well as a name stands beside it, never before a better one, and a path
  // brings files first; the collector's order within each is kept.
  const show = (hits: Hit[]) => hits.map((hit) => (hit.what === "file" ? hit.file.file : hit.symbol.name)).join(" ");
  const names = [hitOf("order"), hitOf("order_all"), hitOf("reorder"), hitOf("orders", { origin: "library" })];
  const files = [fileOf("/b/order.py"), fileOf("/b/orders_all.py"), fileOf("/order/x.py")];
  assert.equal(show(mergeHits("order", names, files)), "order /b/order.py order_all /b/orders_all.py reorder orders /order/x.py");
  assert.equal(show(mergeHits("order/", names, files.slice(2))), "/order/x.py order order_all reorder orders");
  assert.equal(show(mergeHits("x", [], files)), "/b/order.py /b/orders_all.py /order/x.py");
});

/** A clock that goes when it is told to, and questions that are answered when they are told to. */
function scene() {
  const timers = new Set<() => void>();
  const asked: { query: string; signal: AbortSignal; answer: (hits: Hit[]) => void; fail: () => void }[] = [];
  const got: (string | null)[] = [];
  const completer = new Completer(
    (query, _service, signal) =>
      new Promise<Answer>((resolve, reject) => {
        asked.push({ query, signal, answer: (hits) => resolve({ query, hits, hasMore: false }), fail: () => reject(new Error("no")) });
      }),
    (answer) => got.push(answer === null ? null : answer.query),
    (run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
  );
  const pass = () => [...timers].forEach((run) => (timers.delete(run), run()));
  const settle = () => new Promise((done) => setImmediate(done));
  return { completer, asked, got, pass, settle };
}

test("one question per pause, and no answer to an old one", async () => {
  // Proves: SY-09's box, letters that follow one another quickly are one question; a newer one gives the older up,
  // whose answer is dropped even when it comes; a failure is told as none.
  const { completer, asked, got, pass, settle } = scene();
  completer.type("o", "");
  completer.type("or", "");
  pass();
  assert.deepEqual(asked.map(({ query }) => query), ["or"]);
  completer.type("ord", "");
  assert.ok(asked[0]?.signal.aborted);
  asked[0]?.answer([]);
  await settle();
  assert.deepEqual(got, []);
  pass();
  asked[1]?.answer([]);
  await settle();
  assert.deepEqual(got, ["ord"]);
  completer.type("orde", "");
  pass();
  asked[2]?.fail();
  await settle();
  assert.deepEqual(got, ["ord", null]);
  completer.type("order", "");
  completer.stop();
  pass();
  assert.equal(asked.length, 3);
  completer.type("  ", "");
  assert.deepEqual(got, ["ord", null, "  "]);
});

test("the outline: classes open, code folded, lines between scopes where they stand", () => {
  // Proves: rows in the file's order with their place among their siblings; what was folded stays so; keys move,
  // fold, and pick.
  const show = (folded: [string, boolean][]) =>
    outlineRows([ROOT], new Map(folded)).map((row) => `${"-".repeat(row.level)}${row.line || row.scope.name}`).join(" ");
  assert.equal(show([]), "-1 -2 -Basket --total --7 -5");
  const rows = outlineRows([ROOT], new Map());
  assert.equal(show([[rows[3]?.key ?? "", true]]), "-1 -2 -Basket --total ---8 ---10 ---11 ---12 --7 -5");
  assert.equal(show([[rows[2]?.key ?? "", false]]), "-1 -2 -Basket -5");
  assert.deepEqual([rows[3]?.position, rows[3]?.setSize, rows[2]?.setSize], [1, 2, 4]);
  const method = (ROOT.scopes[0] as Scope).scopes[0] as Scope;
  assert.deepEqual([signature(method), signature(ROOT)], ["(self)", ""]);
  assert.deepEqual(outlineKey(rows, 0, "End", 5), { kind: "focus", index: 5 });
  assert.deepEqual(outlineKey(rows, 1, "PageDown", 9), { kind: "focus", index: 5 });
  assert.deepEqual(outlineKey(rows, 3, "ArrowRight", 5), { kind: "fold", index: 3, isOpen: true });
  assert.deepEqual(outlineKey(rows, 2, "ArrowLeft", 5), { kind: "fold", index: 2, isOpen: false });
  assert.deepEqual(outlineKey(rows, 4, "ArrowLeft", 5), { kind: "focus", index: 2 });
  assert.deepEqual(outlineKey(rows, 4, "Enter", 5), { kind: "pick", index: 4 });
  assert.deepEqual([outlineKey(rows, 0, "ArrowLeft", 5), outlineKey(rows, 0, "x", 5), outlineKey([], 0, "End", 5)], [null, null, null]);
});

test("colour never changes the text, and knows what goes over lines", () => {
  // Proves: comments, texts, numbers and keywords of both languages; a text over several lines ends where it ends;
  // every piece together is the line, whatever it holds.
  const shades = (language: string, line: string, state = "") =>
    shadeLine(language, state, line).pieces.filter(({ shade }) => shade !== "plain").map(({ shade, text }) => `${shade}:${text}`);
  assert.deepEqual(shades("python", "def f(x): return 'a # b' # c"), ["keyword:def", "keyword:return", "text:'a # b'", "comment:# c"]);
  assert.deepEqual(shades("python", "x = 0x1f"), ["number:0x1f"]);
  assert.deepEqual(shades("ruby", "def f = puts(\"#{x}\", :a) # c"), ["keyword:def", "text:\"#{x}\"", "number::a", "comment:# c"]);
  assert.deepEqual(shades("ruby", "x = /#\"/"), ["text:/#\"/"]);
  assert.deepEqual(lineStates("python", ['x = """a', "b # c", '""" + y', "z"]), ["", '"""', '"""', ""]);
  assert.deepEqual(lineStates("python", ['"""one line"""', "x"]), ["", ""]);
  assert.deepEqual(lineStates("ruby", ["x = <<~SQL", "select 'a", "SQL", "y"]), ["", "<<SQL", "<<SQL", ""]);
  assert.deepEqual(lineStates("ruby", ["=begin", "x", "=end", "y"]), ["", "=begin", "=begin", ""]);
  assert.deepEqual(shades("cobol", "def x"), []);
  for (const language of ["python", "ruby", "cobol"]) {
    for (const line of ["", "'", '"\\', "\u{1f600} = '''", "x".repeat(3000), "<<A", "a <<B, 'c'", "%w[a b] # '", "\\", "`"]) {
      for (const state of ["", '"""', "<<A", "=begin"]) {
        assert.equal(shadeLine(language, state, line).pieces.map(({ text }) => text).join(""), line);
      }
    }
  }
});

test("whatever was uploaded, it has a shape", () => {
  // Proves: members of the wrong kind, or missing, neither break the page nor become lines.
  for (const odd of [null, 5, "x", [], {}, [null], [5], { scope: 5 }, { scope: { scopes: 5, symbols: [null], injectible_lines: [{}, 5, { start: -1 }, { start: 9, end: 2 }] } }]) {
    soundHits(odd);
    soundFiles(odd);
    soundServices(odd);
    const scope = soundUnit(odd);
    assert.deepEqual(scope?.lines ?? [], []);
  }
  assert.deepEqual(soundUnit({ scope: { injectible_lines: [{ start: 3, end: 5 }, { start: 7 }] } })?.lines, [[3, 5], [7, 7]]);
  let deep: object = {};
  for (let i = 0; i < 5000; i++) {
    deep = { scopes: [deep] };
  }
  new LineMap([soundUnit({ scope: deep })].filter((scope) => scope !== null));
  const [hit] = soundHits([{ kind: "function", scope_type: "METHOD", name: "f", location: "m:f", services: ["a", 5], extra: 1 }]);
  assert.deepEqual([hit?.type, hit?.location, hit?.services, hit?.qualified, hit?.line], ["METHOD", "m:f", ["a"], "", 0]);
});

test("a hash goes with the place that it was picked with", () => {
  // Proves: SY-07, a picked line is sent with its file's hash; another line of that file keeps it, another file, a
  // function, or leaving it out do not; a revision keeps the probe's.
  const picked = { ...emptyFields("/a/x.py:3"), sourceHash: "abc" };
  assert.equal(definition(picked, null).source_hash, "abc");
  assert.equal(withLocation(picked, "/a/x.py:7").sourceHash, "abc");
  assert.equal(withLocation(picked, "/a/y.py:3").sourceHash, "");
  assert.equal(withLocation(picked, "/a/x.py").sourceHash, "");
  assert.equal(definition({ ...picked, location: "m:f" }, null).source_hash, undefined);
  const probe = probeOf("p", { location: "x.py:3", source_hash: "def" });
  assert.equal(definition(fieldsOf(probe), probe).source_hash, "def");
  assert.equal(definition({ ...fieldsOf(probe), sourceHash: "" }, probe).source_hash, undefined);
});

test("a pick goes into the form that is open, or opens one", () => {
  // Proves: changing a probe stays changing that probe.
  const picked = { location: "/a.py:3", sourceHash: "abc" };
  const fresh = reduce(INITIAL, { type: "pick", picked });
  assert.deepEqual([fresh.form?.changes, fresh.form?.picked, fresh.region], [null, picked, "probes"]);
  const probe = probeOf("p");
  const changing = reduce(INITIAL, { type: "form", form: { changes: probe, location: "x.py:1", service: "" } });
  assert.deepEqual(reduce(changing, { type: "pick", picked }).form, { changes: probe, location: "x.py:1", service: "", picked });
});

test("a file has an address", () => {
  // Proves: path, line and version go both ways, also with odd letters; going elsewhere closes the file.
  for (const place of [
    { path: "/srv/a b/ü?#%/x.py", line: 12, version: "abc" },
    { path: "/a.rb", line: 0, version: "" },
  ]) {
    const route = { kind: "file", place } as const;
    assert.deepEqual(parseRoute(formatRoute(route)), route);
  }
  assert.deepEqual(parseRoute("#/file/a.py?line=x"), { kind: "file", place: { path: "a.py", line: 0, version: "" } });
  const open = reduce(INITIAL, { type: "file", file: { place: { path: "a.py", line: 0, version: "" }, source: null, error: "" } });
  for (const route of [{ kind: "none" }, { kind: "probe", id: "p" }, { kind: "snapshot", id: "s" }] as const) {
    assert.equal(reduce(open, { type: "route", route }).file, null);
  }
});

test("a service's uploads in words", () => {
  // Proves: SY-08, what is under way, done or off is said of the processes that are there, and complaints once.
  const of = (...states: (string | null)[]) =>
    uploadState("shop", [
      ...states.map((state, i) => processOf(`p${i}`, state === null ? {} : { symbols: { state: state as "done" } })),
      processOf("gone", { connected: false, symbols: { state: "sending" } }),
      processOf("other", { service: "api", symbols: { state: "sending" } }),
    ]).text;
  assert.deepEqual([of(), of(null), of("done"), of("done", "sending"), of("off"), of("done", "off")], [
    "", "", "up to date", "uploading, 1 of 2 processes done", "not uploading", "up to date in 1 of 2 processes",
  ]);
  const faults = uploadState("shop", ["a", "b"].map((id) => processOf(id, { symbols: { state: "off", message: "disk full" } }))).faults;
  assert.deepEqual(faults, ["disk full"]);
});
