# SPDX-License-Identifier: Apache-2.0
"""More of samples.py, run in the same namespace: what awaits."""
import asyncio
import sys
import types
import warnings


async def sleeper(n, log):
    for i in range(n):
        await asyncio.sleep(0)
        log.append(i)
    return n


def s_coroutine():
    async def main():
        log = []
        return await asyncio.gather(sleeper(2, log), sleeper(3, log)), log
    return asyncio.run(main())


async def async_numbers(n, log):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            got = yield i
            log.append(got)
    finally:
        await asyncio.sleep(0)
        log.append("end")


def s_async_for():
    async def main():
        log = []
        out = []
        async for i in async_numbers(3, log):
            out.append(i)
        else:
            out.append("else")
        out += [i async for i in async_numbers(2, log) if i]
        out.append(await sleeper(1, log))
        async for i in async_numbers(5, log):
            if i == 2:
                break
        return out, log
    return asyncio.run(main())


def s_async_for_raises():
    async def main():
        async for i in async_numbers(3, []):
            if i == 1:
                boom(
                    "in loop")
    asyncio.run(main())


def s_async_generator_api():
    async def main():
        log = []
        g = async_numbers(5, log)
        out = [await g.asend(None), await g.asend("x")]
        try:
            await g.athrow(Trouble("thrown"))
        except Trouble as error:
            out.append(str(error))
        h = async_numbers(5, log)
        out.append(await h.__anext__())
        await h.aclose()
        return out, log
    return asyncio.run(main())


def s_async_with():
    async def main():
        log = []
        async with Manager(log) as m, Manager(log, True):
            await asyncio.sleep(0)
            boom()
        async with Manager(log):
            return log, m.swallow
    return asyncio.run(main())


def s_async_with_raises():
    async def main():
        async with Manager([]):
            async with Manager([]):
                await asyncio.sleep(0)
                boom()
    asyncio.run(main())


def s_async_with_no_manager():
    class Bad:
        def __aenter__(self):
            return 5

        def __aexit__(self, *args):
            return 6

    async def main():
        async with Bad():
            pass
    asyncio.run(main())


def s_await_nothing():
    async def main():
        await 5
    asyncio.run(main())


def s_cancel():
    async def worker(log):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("cancelled")
            await asyncio.sleep(0)
            raise
        finally:
            log.append("finally")

    async def main():
        log = []
        task = asyncio.ensure_future(worker(log))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            log.append("seen")
        return log
    return asyncio.run(main())


def s_cr_await():
    async def inner():
        await iterable_coroutine()

    async def main():
        await inner()
    c = main()
    c.send(None)
    out = [c.cr_await.cr_code.co_name, c.cr_await.cr_await.gi_code.co_name, c.cr_running]
    c.close()
    return out, c.cr_await


def s_never_awaited():
    async def f():
        return 1
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        f()
    return [str(w.message) for w in seen]


def s_coroutine_throw():
    async def f(log):
        try:
            await iterable_coroutine()
        except Trouble:
            log.append("caught")
            await iterable_coroutine()
        raise KeyError("end")
    log = []
    c = f(log)
    c.send(None)
    c.throw(Trouble("x"))
    c.send(None)
