# SPDX-License-Identifier: Apache-2.0
"""What this process has loaded as Python itself can say it, to compare a listing with.

Functions and classes are taken from the garbage collector's list and the tree of subclasses: more than
inspect reaches. Lines are those that inspect gives: a function's co_firstlineno, and for a class what the
source says, which is parsed once per file here."""
import ast
import functools
import gc
import os
import sys
import types


def _plain(path):
    """A file's name; of code that is compiled into the interpreter, that of its module."""
    if path.startswith("<frozen "):
        file = getattr(sys.modules.get(path[8:-1]), "__file__", None)
        return file or path
    return os.path.normpath(path)


def _nested(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _nested(const)


def module_files():
    """{file: names of the modules that have it}"""
    found = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType):
            file = vars(module).get("__file__")
            if isinstance(file, str):
                found.setdefault(_plain(file), set()).add(name)
    return found


def functions():
    """{(file, name, first line)} of all functions that are alive and come from a file."""
    found = set()
    for function in gc.get_objects():
        if type(function) is types.FunctionType:
            for code in _nested(function.__code__):
                if code.co_flags & 1 and os.path.isabs(_plain(code.co_filename)):
                    found.add((_plain(code.co_filename), code.co_name, code.co_firstlineno))
    return found


def inspected():
    """The same for what can be reached by name: of modules, and of classes with their wrappers taken off."""
    found = set()
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType):
            for value in list(vars(module).values()):
                _unwrap(value, found)
    for cls in classes():
        for value in list(type.__dict__["__dict__"].__get__(cls).values()):
            _unwrap(value, found)
    return found


def _unwrap(value, found):
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    elif isinstance(value, property):
        for part in (value.fget, value.fset, value.fdel):
            if part is not None:
                _unwrap(part, found)
        return
    seen = 0
    while type(value) is types.FunctionType and seen < 20:
        code = value.__code__
        if os.path.isabs(_plain(code.co_filename)):
            found.add((_plain(code.co_filename), code.co_name, code.co_firstlineno))
        value = value.__dict__.get("__wrapped__")
        seen += 1


def classes():
    """Every class that a class statement or a call made."""
    todo, seen = [object], {}
    while todo:
        cls = todo.pop()
        for subclass in type.__subclasses__(cls):
            if id(subclass) not in seen:
                seen[id(subclass)] = subclass
                todo.append(subclass)
    return [cls for cls in seen.values() if cls.__flags__ & 1 << 9]


@functools.lru_cache(maxsize=None)
def class_lines(file):
    """{qualified name: lines of the statements of that name, decorators included}"""
    found = {}
    try:
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return found

    def visit(node, path):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                name = path + child.name
                line = child.decorator_list[0].lineno if child.decorator_list else child.lineno
                found.setdefault(name, set()).add(line)
                visit(child, name + ".")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                visit(child, path + child.name + ".<locals>.")
            else:
                visit(child, path)

    visit(tree, "")
    return found


def class_places():
    """[(file, qualified name, lines that are right)]; no line where no statement made the class."""
    files, found = {}, []
    for file, names in module_files().items():
        for name in names:
            files[name] = file
    for cls in classes():
        own = type.__dict__["__dict__"].__get__(cls)
        module = own.get("__module__")
        file = files.get(module) if isinstance(module, str) else None
        if file is None:
            continue
        # A package may present as its own what another file defines.
        for value in own.values():
            value = getattr(value, "fget", None) if isinstance(value, property) else \
                getattr(value, "__func__", value)
            code = getattr(value, "__code__", None)
            if type(value) is types.FunctionType and \
                    getattr(code, "co_qualname", value.__qualname__).startswith(cls.__qualname__ + "."):
                if os.path.isabs(_plain(code.co_filename)):
                    file = _plain(code.co_filename)
                break
        found.append((file, cls.__qualname__, class_lines(file).get(cls.__qualname__, set())))
    return found


def listed(listing):
    """A listing as ({(file, name, first line)} of functions, {(file, qualified name): first line} of classes)."""
    functions, classes = set(), {}

    def visit(file, scope, module):
        for inner in scope.get("scopes", ()):
            if inner["scope_type"] == "CLASS":
                name = inner.get("qualified", ":" + inner["name"]).split(":", 1)[1]
                classes[file, name] = inner.get("start_line")
            elif "start_line" in inner:
                functions.add((file, inner["name"], inner["start_line"]))
            visit(file, inner, module)

    for unit in listing["units"]:
        visit(unit["file"], unit["scope"], unit["scope"]["name"])
    return functions, classes


def compare(listing):
    """What was found of what there is: {"inspect": (found, all), …} and examples of what differs."""
    functions, classes = listed(listing)
    alive = globals()["functions"]()
    by_name = inspected()
    places = class_places()
    missing_classes, wrong_lines, right = [], [], 0
    for file, name, lines in places:
        if (file, name) not in classes:
            missing_classes.append((file, name))
        elif lines and classes[file, name] not in lines:
            wrong_lines.append((file, name, classes[file, name], sorted(lines)))
        else:
            right += 1
    real = {f for f in functions if f[0].startswith("/")}
    known_classes = {(file, name) for file, name, _ in places}
    local = {key for key in classes if "<locals>" in key[1]}
    return {
        "reached by name": (len(by_name & functions), len(by_name)),
        "alive": (len(alive & functions), len(alive)),
        "classes": (right, len(places)),
        "functions that are there": (len(real & alive), len(real)),
        "classes that are there": (
            len((set(classes) - local) & known_classes), len(set(classes) - local)),
        "differences": {
            "reached by name, not listed": sorted(by_name - functions),
            "alive, not listed": sorted(alive - functions),
            "listed, not alive": sorted(real - alive),
            "classes not listed": sorted(missing_classes),
            "classes with another line": sorted(wrong_lines),
            "classes that are not there": sorted(set(classes) - local - known_classes),
        },
    }
