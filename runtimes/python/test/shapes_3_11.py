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
def work():
    import asyncio
    trstar(); trstar2([ValueError()]); trstar2([KeyError(), TypeError()]); trstar3()
    try: trstar2([OSError()])
    except ExceptionGroup: pass
    asyncio.run(comp())
