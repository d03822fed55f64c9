# SPDX-License-Identifier: Apache-2.0
import asyncio
import functools
import sys

from aiohttp import web

from wares import REGISTRY, bare, quote as priced, reduced_price, traced


async def health(request):
    return web.Response(text="ok")


async def plain(request):
    item = request.match_info["item"]
    doubled = priced(item, 2)
    return web.json_response({"item": item, "total": doubled})  # LINE plain


async def later(request):
    item = request.match_info["item"]
    await asyncio.sleep(0.05)
    total = priced(item, 3)
    return web.json_response({"item": item, "total": total})  # LINE later


@traced
@bare
async def wrapped(request):
    item = request.match_info["item"]
    cost = REGISTRY["shipped"](item) + reduced_price(item)
    return web.json_response({"cost": cost})  # LINE wrapped


async def shouted(mark, request):
    item = request.match_info["item"]
    text = item + mark
    return web.Response(text=text)  # LINE shouted


async def chunks(count):
    for number in range(count):
        text = "part %d\n" % number
        yield text  # LINE chunks


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for text in chunks(3):
        await response.write(text.encode())
    await response.write_eof()
    return response


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
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    source = ticks(5)
    try:
        async for text in source:
            await response.write(text.encode())
    finally:
        await source.aclose()
    return response


async def missing(request):
    wanted = request.match_info["item"].upper()
    raise web.HTTPNotFound(reason="no " + wanted)  # LINE missing


app = web.Application()
app.router.add_get("/health", health)
app.router.add_get("/plain/{item}", plain)
app.router.add_get("/later/{item}", later)
app.router.add_get("/wrapped/{item}", wrapped)
app.router.add_get("/shouted/{item}", functools.partial(shouted, "!"))
app.router.add_get("/stream", stream)
app.router.add_get("/events", events)
app.router.add_get("/missing/{item}", missing)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
