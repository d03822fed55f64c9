# SPDX-License-Identifier: Apache-2.0
# Statements that CPython 3.11 brought; as shapes.py.
def trstar():
    try:
        raise ExceptionGroup("x", [ValueError(), KeyError()])
    except* ValueError:
        a = 1
    except* KeyError:
        a = 2
def trstar2(a):
    try:
        raise ExceptionGroup("x", a)
    except* (ValueError,
             TypeError) as e:
        x = e
    except* KeyError: x = 2
    finally:
        x = 3
def trstar3():
    try:
        one = 1
    except* ValueError:
        one = 2
    else:
        one = 3
async def comp():
    async def numbers():
        yield 1
    return [[j async for j in numbers()]
            for i in range(2)]
async def numbers(n):
    for i in range(n): yield i
async def spread(n):
    x = [[j async for j in numbers(n)]
         async for i in numbers(n)
         if i]
    return {
        k: [v async for v in numbers(n)
            if v]
        for k in x[0]}
async def single(n):
    a = [await one() for i in range(n)]; b = [j async for j in numbers(n)]
    c = [[j async for j in numbers(n)] for i in range(n)]
    return [
        [[v async for v in numbers(n)]
            for k in range(n)]
        for q in range(n)]
async def one(): return 1
async def loops(n):
    async for i in numbers(n): n -= 1
    async for i in numbers(n):
        async for j in numbers(
                n): n -= 0
    else: n = 3
    max([[j async for j in numbers(n)]
         for i in range(n)],
        [])
def work():
    import asyncio
    for each in (spread, single, loops): asyncio.run(each(3))
    trstar(); trstar2([ValueError()]); trstar2([KeyError(), TypeError()]); trstar3()
    try: trstar2([OSError()])
    except ExceptionGroup: pass
    asyncio.run(comp())
