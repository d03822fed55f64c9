// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { escape, runs } from "../../src/escape";

test("what moves, hides or reorders text is spelled out", () => {
  // Proves: the same characters are escaped, to the same spelling, as by the command line.
  const cases: [string, string][] = [
    ["a\nb\tc\rd", "a\\nb\\tc\\rd"],
    ["\x1b[31m\x00\x7f", "\\x1b[31m\\x00\\x7f"],
    ["\u0085\u009b", "\\u0085\\u009b"],
    ["\u202egnp.exe\u202c", "\\u202egnp.exe\\u202c"],
    ["a\u200bb\u200dc\ufeffd\u00ade", "a\\u200bb\\u200dc\\ufeffd\\u00ade"],
    ["\u2028\u2029\u2066x\u2069\u061c\u180e", "\\u2028\\u2029\\u2066x\\u2069\\u061c\\u180e"],
    ["\u{e0041}", "\\U000e0041"],
    ["\ud800x", "\\ud800x"],
  ];
  for (const [text, shown] of cases) {
    assert.equal(escape(text), shown);
  }
});

test("ordinary text of any script is left alone", () => {
  // Proves: escaping takes nothing from names and words that people use.
  for (const text of ["<script>alert(1)</script>", "Zoë", "日本", "שלום", "\u{1f600}", "e\u0301"]) {
    assert.equal(escape(text), text);
  }
});

test("quotes and backslashes are escaped as the quoting asks", () => {
  // Proves: a text can not pretend to end, and bytes, which come escaped, are not escaped twice.
  assert.equal(escape('a"\\', "quoted"), 'a\\"\\\\');
  assert.equal(escape('\\xff"', "bytes"), '\\xff\\"');
  assert.equal(escape('a"\\', "bare"), 'a"\\');
});

test("an escape and the same characters typed are told apart", () => {
  // Proves: runs say which characters stand for what they spell.
  assert.deepEqual(runs("a\x1bb"), [
    { text: "a", escaped: false },
    { text: "\\x1b", escaped: true },
    { text: "b", escaped: false },
  ]);
  assert.deepEqual(runs("\\x1b"), [{ text: "\\x1b", escaped: false }]);
});
