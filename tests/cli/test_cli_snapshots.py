# SPDX-License-Identifier: Apache-2.0
"""`sonde snapshots`: the value tree, and that no value can drive a terminal. CORE-04 CORE-07"""
import json
import re
import subprocess

import pytest
from cli_samples import (NONE, elements, entries, fields, integer, line_snapshot, raise_snapshot,
                         return_snapshot, snapshot, text, value)
from cli_support import SONDE, environment, on_terminal

SNAPSHOTS = "/api/v1/snapshots"


def serve(fake, *snapshots):
    fake.routes[("GET", SNAPSHOTS)] = (200, {"snapshots": list(snapshots)})


def shown(fake, sonde, shown_value, **env):
    """One local named x, as it is printed."""
    serve(fake, snapshot({"lines": {"42": {"locals": {"x": shown_value}}}}, stack=[], thread={}))
    out = sonde("snapshots", env=env).stdout
    return out.split("  locals\n", 1)[1].split("  thread", 1)[0]


def test_golden_of_every_kind(fake, sonde, golden):
    serve(fake, line_snapshot(), return_snapshot(), raise_snapshot())
    done = sonde("snapshots")
    assert (done.returncode, done.stderr) == (0, "")
    golden("snapshots.txt", done.stdout)
    golden("snapshots_narrow.txt", sonde("snapshots", env={"COLUMNS": "60"}).stdout)
    golden("snapshots_wide.txt", sonde("snapshots", env={"COLUMNS": "200"}).stdout)


def test_colour_is_the_same_text(fake, sonde, golden):
    serve(fake, line_snapshot(), return_snapshot(), raise_snapshot())
    status, coloured = on_terminal(["snapshots"], {"SONDE_SERVER": fake.url})
    assert status == 0
    golden("snapshots_colour.txt", coloured)
    assert re.sub("\x1b\\[[0-9]*m", "", coloured) == sonde("snapshots").stdout
    assert on_terminal(["snapshots"], {"SONDE_SERVER": fake.url, "NO_COLOR": "1"})[1] == sonde("snapshots").stdout


def test_json_is_the_collectors_object_one_a_line(fake, sonde, golden):
    wanted = [line_snapshot(), raise_snapshot()]
    serve(fake, *wanted)
    out = sonde("snapshots", "--json").stdout
    assert [json.loads(line) for line in out.splitlines()] == wanted
    golden("snapshots.json", out)


def test_query(fake, sonde):
    serve(fake)
    done = sonde("snapshots", "--probe", "p-1", "--service", "a&b c", "--limit", "5")
    assert (done.returncode, done.stdout) == (0, "") and "no snapshots" in done.stderr
    assert fake.requests[-1][1] == SNAPSHOTS + "?probe=p-1&service=a%26b%20c&limit=5"
    assert sonde("snapshots", "--json").stderr == ""
    assert fake.requests[-1][1] == SNAPSHOTS + "?limit=20"


CASES = [
    (integer(42), "x: int = 42"),
    (text("42"), 'x: str = "42"'),
    (value("Code", "42"), 'x: Code = "42"'),
    (value("int64", "7"), "x: int64 = 7"),
    (value("integrity", "7"), 'x: integrity = "7"'),
    (value("int", "4 2"), 'x: int = "4 2"'),
    (value("Order", "<Order at 0x7f9c>"), "x: Order = <Order at 0x7f9c>"),
    (elements([value("Order", "<Order at 0x7f9c>")]), "x: list = [<Order at 0x7f9c>]"),
    (value("Order", "<Other at 0x7f9c>"), 'x: Order = "<Other at 0x7f9c>"'),
    (value("Order", "<Order at 0x7f9c\x1b>"), 'x: Order = "<Order at 0x7f9c\\x1b>"'),
    (text("<x at 0x7f9c>"), 'x: str = "<x at 0x7f9c>"'),
    (text(""), 'x: str = ""'),
    (NONE, "x = None"),
    ({"type": "NilClass", "is_null": True}, "x = nil"),
    (text('a "b" \\ c'), r'x: str = "a \"b\" \\ c"'),
    (value("bytes", r'\x00"'), r'x: bytes = "\x00\""'),
    (text("über 漢字 🎈"), 'x: str = "über 漢字 🎈"'),
    (text("ab", truncated=True), 'x: str = "ab"… (cut)'),
    (text("ab", truncated=True, size=900), 'x: str = "ab"… (900 in all)'),
    ({"type": "str", "not_captured_reason": "redacted"}, "x: str = ‹redacted›"),
    ({"type": "list", "not_captured_reason": "depth", "size": 3}, "x: list = ‹depth, 3 inside›"),
    ({"type": "T"}, "x: T = ‹nothing›"),
    ({}, "x = ‹nothing›"),
    (elements([]), "x: list = []"),
    (elements([integer(1), text("a"), NONE]), 'x: list = [1, "a", None]'),
    (elements([integer(1)], truncated=True, size=100, not_captured_reason="collection_size"),
     "x: list = [1, … 99 more of 100]"),
    (elements([integer(1)], truncated=True, not_captured_reason="collection_size"), "x: list = [1, … more]"),
    (elements([integer(1)], truncated=True, size=9, not_captured_reason="budget"),
     "x: list = [1, … 8 more of 9 ‹budget›]"),
    (elements([value("Decimal", "1.5"), value("Colour", "RED")]), 'x: list = [Decimal 1.5, Colour "RED"]'),
    (entries([(text("a"), integer(1)), (integer(2), elements([]))]), 'x: dict = {"a": 1, 2: []}'),
    (fields("P", {"x": integer(1), "y": fields("Q", {})}), "x: P = (x=1, y=Q())"),
    (fields("P", {"x": integer(1)}, truncated=True, size=3, not_captured_reason="field_count"),
     "x: P = (x=1, … 2 more of 3)"),
    (elements([{"type": "T", "not_captured_reason": "unreadable"}]), "x: list = [T ‹unreadable›]"),
]


@pytest.mark.parametrize("shown_value,line", CASES, ids=[line for _, line in CASES])
def test_one_value(fake, sonde, shown_value, line):
    assert shown(fake, sonde, shown_value) == f"    {line}\n"


THROWN = [
    (text("no"), ' "no"\n'),
    (elements([integer(1), text("a")], type_="tuple"), '\n    message: tuple = [1, "a"]\n'),
    (fields("HTTPException", {"status_code": integer(404), "detail": text("no such item")}),
     '(status_code=404, detail="no such item")\n'),
    (fields("HTTPException", {"status_code": integer(404), "detail": text("n" * 70)}),
     '\n    status_code: int = 404\n    detail: str = "%s"\n' % ("n" * 70)),
    (fields("Other", {"a": integer(1)}), "\n    message: Other = (a=1)\n"),
    (None, "\n"),
]


@pytest.mark.parametrize("message,shown_message", THROWN)
def test_what_was_thrown(fake, sonde, message, shown_message):
    """PY-03: an exception that has its message in its own fields shows these."""
    thrown = {"type": "HTTPException", "stack": [], **({"message": message} if message else {})}
    serve(fake, snapshot({"return": {"throwable": thrown}}, stack=[], thread={}))
    out = sonde("snapshots", env={"COLUMNS": "80"}).stdout
    assert out.split("\n", 1)[1] == "  raised HTTPException" + shown_message


ENDINGS = [
    ({}, ""),
    ({"duration_ns": 1_230_000}, "1.23 ms"),
    ({"duration_ns": 301_200_000, "suspended_ns": 300_900_000}, "301 ms (301 ms suspended)"),
    ({"duration_ns": 12_300_000, "outcome": "returned"}, "returned in 12.3 ms"),
    ({"duration_ns": 2_000_000_000, "suspended_ns": 1_990_000_000, "outcome": "returned"},
     "returned in 2.00 s (1.99 s suspended)"),
    ({"duration_ns": 500, "suspended_ns": 0, "outcome": "raised"}, "raised after 500 ns (0 ns suspended)"),
    ({"duration_ns": 5000, "outcome": "closed"}, "was closed after 5.00 µs"),
    ({"duration_ns": 5000, "suspended_ns": 4000, "outcome": "cancelled"},
     "was cancelled after 5.00 µs (4.00 µs suspended)"),
    ({"outcome": "closed"}, "was closed"),  # nobody said how long
    ({"outcome": "closed", "suspended_ns": 5}, "was closed"),
    ({"duration_ns": 500, "outcome": "\x1b[2Jgone"}, "500 ns"),  # a word that is none of ours
    ({"duration_ns": 500, "outcome": 7, "suspended_ns": "long"}, "500 ns"),
]


@pytest.mark.parametrize("facts,ending", ENDINGS, ids=[str(facts) for facts, _ in ENDINGS])
def test_how_a_function_ended(fake, sonde, facts, ending):
    """PY-05: suspended time beside the duration, and an end that is no failure by its name."""
    serve(fake, snapshot({"return": {}}, stack=[], thread={}, **facts))
    line = sonde("snapshots").stdout.splitlines()[0]
    assert line.split("probe p-1", 1)[1].strip() == ending


def test_members_go_below_when_they_do_not_fit(fake, sonde):
    many = elements([text("a" * 30) for _ in range(3)], size=9, truncated=True, not_captured_reason="collection_size")
    row = f'      %d: str = "{"a" * 30}"\n'
    assert shown(fake, sonde, many, COLUMNS="80") == (
        "    x: list\n" + row % 0 + row % 1 + row % 2 + "      … 6 more of 9\n")
    assert shown(fake, sonde, many, COLUMNS="200").count("\n") == 1


def test_many_short_scalars_flow(fake, sonde):
    numbers = elements([integer(n) for n in range(40)], size=99, truncated=True, not_captured_reason="collection_size")
    assert shown(fake, sonde, numbers, COLUMNS="80") == (
        "    x: list\n"
        "       0: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,\n"
        "      20: 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,\n"
        "      37: 37, 38, 39\n"
        "      … 59 more of 99\n")


def test_a_long_key_is_named_by_its_type(fake, sonde):
    key = elements([text("k" * 40), text("l" * 40)], type_="tuple")
    out = shown(fake, sonde, entries([(key, text("v" * 60))]), COLUMNS="80")
    assert out == f'    x: dict\n      tuple …: str = "{"v" * 60}"\n'


def test_width_counts_what_a_terminal_shows(fake, sonde):
    # 4 + "x: list = " + ["…"] : 30 wide characters take 60 columns, not 90 bytes and not 30.
    wide = elements([text("漢" * 30)])
    assert shown(fake, sonde, wide, COLUMNS="78").count("\n") == 1
    assert shown(fake, sonde, wide, COLUMNS="77").count("\n") == 2


EVIL = [
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1bP1$r\x1b\\", "\x9b31m", "\x00\x01\x08\x0b\x0c\x7f", "a\rb\nc\td",
    "‮gnp.exe", "⁦x⁩", "​‌‍⁠﻿", "\u2028\u2029", "\U000e0041", "\xad",
]


def everywhere(evil):
    kinds = fields(evil, {evil: text(evil), "n": value(evil, evil, truncated=True, size=1)})
    inside = {"arguments": {evil: kinds}, "locals": {
        "d": entries([(text(evil), kinds), (kinds, text(evil))]), "l": elements([kinds] * 9, type_=evil),
        "r": {"type": evil, "not_captured_reason": evil}}}
    frame = {"file": evil, "line": 1, "function": evil}
    return snapshot(
        {"lines": {evil: inside}, "entry": inside,
         "return": {**inside, "return_value": kinds,
                    "throwable": {"type": evil, "message": text(evil), "stack": [frame]}}},
        probe_id=evil, service=evil, env=evil, location=frame, stack=[frame] * 3,
        thread={"id": 1, "name": evil}, trace={"trace_id": evil, "span_id": evil}, duration_ns=5)


def escaped_length(character):
    if character.isascii() and character.isprintable():
        return 1
    if character in "\n\r\t":
        return 2
    return 4 if character < "\x80" else 6 if character < "\U00010000" else 10


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_a_hostile_value_can_not_drive_the_terminal(fake, sonde, evil):
    harmless = everywhere("x" * sum(map(escaped_length, evil)))
    serve(fake, everywhere(evil))
    out = sonde("snapshots", env={"COLUMNS": "400"}).stdout
    bad = set(evil) - set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.[]$;\\")
    assert bad and not bad & (set(out) - {"\n"})
    serve(fake, harmless)
    assert out.count("\n") == sonde("snapshots", env={"COLUMNS": "400"}).stdout.count("\n")
    serve(fake, everywhere(evil))
    line = sonde("snapshots", "--json").stdout
    assert line.count("\n") == 1 and not bad & (set(line) - {"\n"})
    assert json.loads(line) == everywhere(evil)


def test_an_exceptions_stack_stands_for_the_same_one(fake, sonde):
    one = raise_snapshot()
    one["stack"] = one["stack"][:2]
    serve(fake, one)
    out = sonde("snapshots").stdout
    assert "raised ValueError" in out and "  stack" not in out and out.count("/srv/shop/f1.py:1\n") == 1


def test_colour_codes_of_our_own_are_the_only_ones(fake, sonde):
    serve(fake, everywhere("\x1b[31mred\x1b[0m"))
    _, out = on_terminal(["snapshots"], {"SONDE_SERVER": fake.url})
    assert set(re.findall("\x1b(.)", out)) == {"["}
    assert not re.search("\x1b\\[[0-9]*m\x1b\\[31mred", out)
    assert r"\x1b[31mred" in out


def test_odd_and_missing_members_are_survived(fake, sonde):
    odd = [
        {}, {"captures": None}, {"captures": {"lines": []}}, {"captures": {"lines": {"1": []}}},
        {"captures": {"lines": {"1": {"locals": {"x": 5, "y": [], "z": None, "w": "text"}}}}},
        {"captures": {"return": {"return_value": 7, "throwable": "x"}}},
        {"captures": {"return": {"throwable": {}}}},
        {"captures": {"entry": {"arguments": {"x": {"elements": 5}, "y": {"entries": [1, {}]}}}}},
        {"stack": [1, {}], "thread": 5, "trace": 6, "location": [], "timestamp_ns": "x"},
        {"timestamp_ns": 9223372036854775807, "duration_ns": 9223372036854775807},
    ]
    serve(fake, *odd)
    done = sonde("snapshots")
    assert (done.returncode, done.stderr) == (0, "")


def test_deep_and_big_answers(fake, sonde):
    deep = integer(1)
    for _ in range(15):
        deep = entries([(text("k" * 20), deep)])
    serve(fake, *[snapshot({"entry": {"arguments": {"x": deep, "y": elements([integer(n) for n in range(10000)])}}})] * 5)
    done = sonde("snapshots")
    assert done.returncode == 0 and done.stdout.count("9998, 9999\n") == 5


def test_a_reader_that_leaves_is_no_error(fake, sonde):
    serve(fake, *[line_snapshot()] * 200)
    process = subprocess.Popen([SONDE, "snapshots"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(SONDE_SERVER=fake.url))
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(20) == 0
    process.stderr.close()


def symbol(name, **more):
    return value("Symbol", name, **more)


def test_symbols_read_as_ruby_writes_them(fake, sonde):
    word = value("String", "tea")
    pairs = [(symbol("name"), word), (symbol("in stock?"), symbol("yes?")), (value("String", "name"), symbol("a=b"))]
    out = shown(fake, sonde, entries(pairs, "Hash"))
    for wanted in (':name: "tea"', ':"in stock?": :yes?', '"name": :"a=b"'):
        assert wanted in out, out
    assert "Symbol" not in out
    assert "x: Symbol = :tea" in shown(fake, sonde, symbol("tea"))


def test_a_cut_ruby_string_is_counted_in_bytes(fake, sonde):
    assert '"é"… (600 bytes in all)' in shown(fake, sonde, value("String", "é", truncated=True, size=600))
