# SPDX-License-Identifier: Apache-2.0
"""Where probes could sit in the modules that are named: run by the interpreter under test, which
compiles their source and runs nothing of it but the packages they are in."""
import importlib.util
import json
import pkgutil
import sys
import types

IS_PART = ("<module>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")


def expand(name):
    """A module, or with `.*` a package and all within it."""
    if not name.endswith(".*"):
        return [name]
    package = name[:-2]
    spec = importlib.util.find_spec(package)
    found = [package]
    if spec is not None and spec.submodule_search_locations:
        for entry in pkgutil.iter_modules(spec.submodule_search_locations, package + "."):
            found += expand(entry.name + ".*") if entry.ispkg else [entry.name]
    return found


def qualified(code, outer, prefix):
    """co_qualname, which is there from 3.11 on."""
    if hasattr(code, "co_qualname"):
        return code.co_qualname
    if outer.co_name == "<module>" and not prefix:
        return code.co_name
    return prefix + (".<locals>." if outer.co_flags & 1 else ".") + code.co_name


def walk(code, prefix, lines, functions):
    table = code.co_lines() if hasattr(code, "co_lines") else lines_of_table(code)
    lines.update(line for _, _, line in table if line)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            name = qualified(inner, code, prefix)
            # Flag 1 is CO_OPTIMIZED: a function, not a class. A name with a space can not be typed.
            if inner.co_flags & 1 and inner.co_name not in IS_PART and " " not in name:
                functions.add(name)
            walk(inner, name, lines, functions)


def lines_of_table(code):
    """What co_lines tells from 3.10 on."""
    import dis

    return [(0, 0, line) for _, line in dis.findlinestarts(code)]


def places(name):
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return {"module": name, "fault": "no source"}
    lines, functions = set(), set()
    with open(spec.origin, "rb") as source:
        code = compile(source.read(), spec.origin, "exec", dont_inherit=True)
    walk(code, "", lines, functions)
    return {"module": name, "file": spec.origin, "lines": sorted(lines), "functions": sorted(functions)}


def main():
    sys.path[0] = ""
    found = {}
    for pattern in sys.argv[1:]:
        try:
            names = expand(pattern)
        except ImportError as error:
            found[pattern] = {"module": pattern, "fault": str(error)}
            continue
        for name in names:
            if name in found:
                continue
            try:
                found[name] = places(name)
            except (Exception, SystemExit) as error:
                found[name] = {"module": name, "fault": "%s: %s" % (type(error).__name__, error)}
    json.dump(list(found.values()), sys.stdout)


main()
