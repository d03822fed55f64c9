# SPDX-License-Identifier: Apache-2.0
import asyncio
import time

from flask import Flask, Response, abort

from wares import REGISTRY, bare, quote as priced, reduced_price, traced

app = Flask(__name__)


@app.route("/health")
def health():
    return "ok"


@app.route("/plain/<item>")
def plain(item):
    doubled = priced(item, 2)
    return {"item": item, "total": doubled}  # LINE plain


@app.route("/later/<item>")
async def later(item):
    await asyncio.sleep(0.05)
    total = priced(item, 3)
    return {"item": item, "total": total}  # LINE later


@app.route("/wrapped/<item>", endpoint="wrapped")
@traced
@bare
def wrapped(item):
    cost = REGISTRY["shipped"](item) + reduced_price(item)
    return {"cost": cost}  # LINE wrapped


def chunks(count):
    for number in range(count):
        text = "part %d\n" % number
        yield text  # LINE chunks


@app.route("/stream")
def stream():
    return Response(chunks(3), mimetype="text/plain")


def ticks(step):
    number = 0
    try:
        while True:
            number += step
            yield "data: %d\n\n" % number  # LINE ticks
            time.sleep(0.02)
    finally:
        number = -1


@app.route("/events")
def events():
    return Response(ticks(5), mimetype="text/event-stream")


@app.route("/missing/<item>")
def missing(item):
    wanted = item.upper()
    abort(404, description="no " + wanted)  # LINE missing
