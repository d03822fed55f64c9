# SPDX-License-Identifier: Apache-2.0
import asyncio
import functools

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse, StreamingResponse

from wares import REGISTRY, quote as priced, reduced_price

app = FastAPI()


@app.get("/health", response_class=PlainTextResponse)
def health():
    return "ok"


@app.get("/plain/{item}")
def plain(item: str):
    doubled = priced(item, 2)
    return {"item": item, "total": doubled}  # LINE plain


@app.get("/later/{item}")
async def later(item: str):
    await asyncio.sleep(0.05)
    total = priced(item, 3)
    return {"item": item, "total": total}  # LINE later


def bare(function):
    async def around(item: str):
        return await function(item)

    return around


def traced(function):
    @functools.wraps(function)
    async def around(*args, **kwargs):
        return await function(*args, **kwargs)

    return around


@app.get("/wrapped/{item}")
@traced
@bare
async def wrapped(item):
    cost = REGISTRY["shipped"](item) + reduced_price(item)
    return {"cost": cost}  # LINE wrapped


async def session(item: str):
    opened = "session of " + item
    try:
        yield opened  # LINE session
    finally:
        opened = "closed"


@app.get("/depends/{item}")
async def depends(item: str, opened: str = Depends(session)):
    words = opened.split()
    return {"words": words}  # LINE depends


async def chunks(count):
    for number in range(count):
        text = "part %d\n" % number
        yield text  # LINE chunks


@app.get("/stream")
def stream():
    return StreamingResponse(chunks(3), media_type="text/plain")


async def ticks(step):
    number = 0
    try:
        while True:
            number += step
            yield "data: %d\n\n" % number  # LINE ticks
            await asyncio.sleep(0.02)
    finally:
        number = -1


@app.get("/events")
async def events():
    return StreamingResponse(ticks(5), media_type="text/event-stream")


@app.get("/missing/{item}")
async def missing(item: str):
    wanted = item.upper()
    raise HTTPException(404, "no " + wanted)  # LINE missing


@app.get("/usual/{item}")
async def usual(item: str):
    wanted = item.upper()
    raise HTTPException(status_code=404, detail="no " + wanted)  # LINE usual
