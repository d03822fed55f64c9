# SPDX-License-Identifier: Apache-2.0
import asyncio
import functools

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from wares import REGISTRY, bare, quote as priced, reduced_price, traced


def health(request):
    return PlainTextResponse("ok")


def plain(request):
    item = request.path_params["item"]
    doubled = priced(item, 2)
    return JSONResponse({"item": item, "total": doubled})  # LINE plain


async def later(request):
    item = request.path_params["item"]
    await asyncio.sleep(0.05)
    total = priced(item, 3)
    return JSONResponse({"item": item, "total": total})  # LINE later


@traced
@bare
def wrapped(request):
    item = request.path_params["item"]
    cost = REGISTRY["shipped"](item) + reduced_price(item)
    return JSONResponse({"cost": cost})  # LINE wrapped


def greeter(greeting):
    async def greet(request):
        item = request.path_params["item"]
        text = greeting + " " + item
        return PlainTextResponse(text)  # LINE greet

    return greet


async def shouted(mark, request):
    item = request.path_params["item"]
    text = item + mark
    return PlainTextResponse(text)  # LINE shouted


async def chunks(count):
    for number in range(count):
        text = "part %d\n" % number
        yield text  # LINE chunks


async def stream(request):
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


async def events(request):
    return StreamingResponse(ticks(5), media_type="text/event-stream")


async def missing(request):
    wanted = request.path_params["item"].upper()
    raise HTTPException(404, "no " + wanted)  # LINE missing


app = Starlette(routes=[
    Route("/health", health),
    Route("/plain/{item}", plain),
    Route("/later/{item}", later),
    Route("/wrapped/{item}", wrapped),
    Route("/greet/{item}", greeter("hello")),
    Route("/shouted/{item}", functools.partial(shouted, "!")),
    Route("/stream", stream),
    Route("/events", events),
    Route("/missing/{item}", missing),
])
