# SPDX-License-Identifier: Apache-2.0
"""More of samples.py: syntax that not every version has, by the first that does, and functions too
big to be written out."""

NEW_SYNTAX = {
    (3, 10): """
def s_match():
    out = []
    for subject in (1, "x", [1, 2, 3], {"a": 1, "b": 2}, None, (), slice(1, 2)):
        match subject:
            case 1 | 2:
                out.append("number")
            case str() as s if s == "x":
                out.append(s)
            case [a, *rest]:
                out.append((a, rest))
            case {"a": a, **rest}:
                out.append((a, rest))
            case slice(start=1):
                out.append("slice")
            case None:
                out.append("none")
            case _:
                out.append("other")
    return out


def s_match_returns():
    def f(x):
        match x:
            case 1:
                return "one"
            case [_]:
                raise KeyError("list")
    f(1)
    f([1])


def s_parenthesized_with():
    log = []
    with (
        Manager(log) as a,
        Manager(log) as b,
    ):
        return log
""",
    (3, 11): """
def s_except_star():
    out = []
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2), Trouble(3)])
    except* ValueError as group:
        out.append(str(group.exceptions))
    except* KeyError:
        out.append(str(sys.exc_info()[1]))
        raise IndexError("new")


def s_except_star_all():
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* Exception as group:
        return_value = len(group.exceptions)
    else:
        return_value = 0
    finally:
        len("x")
    return return_value


def s_notes():
    try:
        boom()
    except Trouble as error:
        error.add_note("note")
        raise


def s_task_group():
    async def main():
        log = []
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper(2, log))
            group.create_task(sleeper(2, log))
        async with asyncio.timeout(10):
            await sleeper(1, log)
        return log
    return asyncio.run(main())
""",
}


def big_sources():
    """Functions whose jumps, constants and names need prefixes."""
    lines = ["def s_big(n=3):", "    out = 0", "    for i in range(n):", "        try:"]
    for i in range(400):
        lines.append("            out += %d if i else %d" % (1000 + i, 2000 + i))
    lines += ["            if i == 1:", "                continue", "            len(out)",
              "        except TypeError as error:", "            out -= len(str(error))",
              "    return out"]
    lines += ["def s_many_constants():", "    total = 0.5"]
    for i in range(300):
        lines.append("    total += %d.25" % i)
    lines += ["    return [total for _ in range(2)]"]
    lines += ["def s_long_call():", "    return dict("]
    for i in range(300):
        lines.append("        k%d=%d.125," % (i, i))
    lines += ["        last=boom())"]
    lines += ["def s_edge():", "    x = 0", "    while x < 3:", "        x += 1"]
    # Near the border of one byte, where a call more moves a jump over it.
    for i in range(40):
        lines.append("        x = x + %d - %d" % (i + 500, i + 500))
    lines += ["    return x"]
    lines += ["def s_far_lines():", "    a = 1"] + ["    "] * 700 + ["    return (a +"]
    lines += [""] * 300 + ["        None)"]
    return "\n".join(lines)


NEW_SYNTAX[(3, 0)] = big_sources()
