# SPDX-License-Identifier: Apache-2.0
"""Answers of a collector, as docs/formats/api.md and snapshot.md have them."""
import time

SECOND_NS = 1_000_000_000


def ago_ns(seconds):
    # Half a second in: the words stay the same while a test runs.
    return time.time_ns() - seconds * SECOND_NS - SECOND_NS // 2


def ahead_ns(seconds):
    return time.time_ns() + seconds * SECOND_NS + SECOND_NS // 2


def value(type_, text, **more):
    return {"type": type_, "value": str(text), **more}


def integer(number):
    return value("int", number)


def text(string, **more):
    return value("str", string, **more)


def elements(values, type_="list", **more):
    return {"type": type_, "elements": values, **more}


def entries(pairs, type_="dict", **more):
    return {"type": type_, "entries": [{"key": k, "value": v} for k, v in pairs], **more}


def fields(type_, members, **more):
    return {"type": type_, "fields": members, **more}


NONE = {"type": "NoneType", "is_null": True}


def process(**more):
    base = {
        "instance_id": "i-1", "service": "checkout", "env": "prod", "version": "1.4.0",
        "language": "python", "runtime_version": "3.13.1", "pid": 4711, "host": "web-1",
        "agent_version": "0.1.0", "started_at_ns": ago_ns(500), "seen_at_ns": ago_ns(0),
        "connected": True, "probes": 2, "dropped": {}, "disarmed": [],
    }
    return {**base, **more}


def status(instance_id="i-1", state="emitting", **more):
    base = {
        "instance_id": instance_id, "revision": 1, "status": state, "cause": "", "message": "",
        "nearest_lines": [], "hits": 0, "captured": 0, "dropped": {}, "places": 1,
    }
    return {**base, **more}


def probe(id_="p-1", **more):
    base = {
        "id": id_, "revision": 1, "location": "app.py:42", "at": "line", "service": "", "env": "",
        "limits": {"depth": 3, "elements": 100, "length": 255, "fields": 20, "frames": 64,
                   "time_us": 5000, "bytes": 65536},
        "rate": 1.0, "hit_limit": 0, "expires_at_ns": 0,
        "capture": {"arguments": True, "locals": True, "return": True, "stack": True},
        "tags": {}, "created_at_ns": ago_ns(300), "instances": [],
    }
    return {**base, **more}


def snapshot(captures, **more):
    base = {
        "id": "s-1", "probe_id": "p-1", "probe_revision": 1, "service": "checkout", "env": "prod",
        "timestamp_ns": 1_740_837_731_482_000_000, "duration_ns": None, "suspended_ns": None, "outcome": None,
        "location": {"file": "/srv/shop/app.py", "line": 42, "function": "place_order"},
        "runtime": {"language": "python", "version": "3.13.1", "pid": 4711, "instance_id": "i-1"},
        "thread": {"id": 4711, "name": "MainThread"}, "trace": None,
        "stack": [{"file": "/srv/shop/app.py", "line": 42, "function": "place_order"},
                  {"file": "/srv/shop/app.py", "line": 90, "function": "order_view"}],
        "captures": captures,
    }
    return {**base, **more}


def line_snapshot():
    order = fields("Order", {
        "id": integer(1017),
        "customer": fields("Customer", {
            "name": text("Ada Lovelace"),
            "password": {"type": "str", "not_captured_reason": "redacted", "truncated": True},
            "address": {"type": "Address", "not_captured_reason": "depth", "truncated": True},
        }),
        "lines": elements([
            fields("Line", {"sku": text("A-17"), "quantity": integer(2), "price": value("Decimal", "9.90")}),
            fields("Line", {"sku": text("B-03"), "quantity": integer(1), "price": value("Decimal", "120.00")}),
        ]),
        "note": NONE,
    })
    return snapshot({"lines": {"42": {
        "arguments": {"order": order, "retries": integer(0)},
        "locals": {
            "total": value("Decimal", "139.80"),
            "is_express": value("bool", "true"),
            "codes": elements([integer(n) for n in range(20)], size=100, truncated=True,
                              not_captured_reason="collection_size"),
            "totals": entries([(text("net"), value("float", "117.48")), (text("tax"), value("float", "22.32"))]),
            "comment": text("x" * 60, truncated=True, size=300),
            "raw": value("bytes", "\\x00\\xffabc"),
            "state": value("OrderState", "open"),
            "slow": elements([], type_="deque", truncated=True, size=5, not_captured_reason="timeout"),
            "empty": entries([]),
        },
    }}}, trace={"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"})


def return_snapshot():
    return snapshot({
        "entry": {"arguments": {"order_id": integer(1017)}},
        "return": {"locals": {"rows": integer(3)}, "return_value": elements([integer(1), integer(2)], type_="tuple")},
    }, id="s-2", duration_ns=1_234_567, outcome="returned", location={"file": "/srv/shop/store.py", "line": 7, "function": "Store.load"})


def raise_snapshot():
    frames = [{"file": f"/srv/shop/f{n}.py", "line": n, "function": f"f{n}"} for n in range(1, 13)]
    return snapshot({
        "entry": {"arguments": {"amount": integer(-5)}},
        "return": {"throwable": {"type": "ValueError", "message": text('amount "-5" is negative'),
                                 "stack": frames[:2]}},
    }, id="s-3", duration_ns=12_345, outcome="raised", env="", stack=frames,
        location={"file": "/srv/shop/pay.py", "line": 12, "function": "charge"})
