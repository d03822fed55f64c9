# SPDX-License-Identifier: Apache-2.0
"""Rewrites the whole standard library and reads what comes out with dis. PY-01, PY-06.

The tests of the library are read too when REWRITE_ALL is set; that takes minutes."""
import bisect
import dis
import os
import unittest

from harness import VERSION, instruction_units, library_codes, line_units, rewrite

ALL = bool(os.environ.get("REWRITE_ALL"))
SILENT = {"entry": int, "return": id, "unwind": id, "suspend": int, "resume": int}
GENERATOR = 0x20 | 0x80 | 0x200


class Decoded:
    """A code object's instructions, their lines, and how deep the stack is at each."""

    def __init__(self, code):
        self.code = code
        self.ops = []  # (start with prefixes, opname, arg, target or None, end)
        start = None
        for i in dis.get_instructions(code):
            start = i.offset if start is None else start
            if i.opname == "EXTENDED_ARG":
                continue
            jumps = i.opcode in dis.hasjrel or i.opcode in dis.hasjabs
            self.ops.append((start, i.opname, i.arg, i.argval if jumps else None, i.offset))
            start = None
        self.index = {op[0]: n for n, op in enumerate(self.ops)}
        self.lines = self.read_lines(code)

    def read_lines(self, code):
        if VERSION == (3, 9):
            starts = list(dis.findlinestarts(code))
        else:
            starts = [(start, line) for start, _, line in code.co_lines()]
        offsets = [start for start, _ in starts]
        return [starts[bisect.bisect_right(offsets, op[4]) - 1][1] for op in self.ops]

    def handlers(self):
        if VERSION < (3, 11):
            return []
        return dis._parse_exception_table(self.code)

    def depths(self):
        """Follows every way; the depth before each instruction that can be reached."""
        begin = 1 if VERSION > (3, 9) and self.code.co_flags & GENERATOR else 0
        depth, open_ops, deepest = {0: begin}, [0], begin
        regions = self.handlers()
        starts = [r.start for r in regions]

        def visit(index, value):
            nonlocal deepest
            deepest = max(deepest, value)
            if index not in depth:
                depth[index] = value
                open_ops.append(index)
            elif depth[index] != value:
                raise AssertionError("depth %d and %d at %r" % (depth[index], value,
                                                               self.ops[index]))
        while open_ops:
            index = open_ops.pop()
            start, name, arg, target, offset = self.ops[index]
            opcode = dis.opmap[name]
            arg = arg if opcode >= dis.HAVE_ARGUMENT else None
            before = depth[index]
            if target is not None:
                visit(self.index[target],
                      before + dis.stack_effect(opcode, arg, jump=True))
            if regions:
                at = bisect.bisect_right(starts, offset) - 1
                if at >= 0 and offset < regions[at].end:
                    region = regions[at]
                    visit(self.index[region.target], region.depth + region.lasti + 1)
            if name not in ("RETURN_VALUE", "RERAISE", "RAISE_VARARGS", "JUMP_FORWARD",
                            "JUMP_ABSOLUTE", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"):
                visit(index + 1, before + dis.stack_effect(opcode, arg, jump=False))
        return depth, deepest


def inserted(new, old, wrapped):
    """Which instructions were put in: by the calls of constants that the original has not,
    and what goes with them. Gives back a list of True and False."""
    count = len(old.code.co_consts)
    put = [False] * len(new.ops)
    names = [op[1] for op in new.ops]
    for n, (_, name, arg, _, _) in enumerate(new.ops):
        if name != "LOAD_CONST" or arg < count:
            continue
        first, last = n, names.index("POP_TOP", n)
        if names[n + 1] == "CONTAINS_OP":
            first = n - 1
            if VERSION < (3, 11) and wrapped and names[n - 2] == "POP_BLOCK":
                first = n - 2
        for k in range(first, last + 1):
            put[k] = True
        if wrapped and names[last + 1:last + 4] == ["JUMP_FORWARD", "SEND", "YIELD_VALUE"]:
            put[last + 1] = put[last + 2] = True
    if wrapped:
        handler = len(names) - (5 if VERSION >= (3, 11) else 6)
        for k in range(handler, len(names)):
            put[k] = True
        if VERSION < (3, 11):
            put[1 if names[0] == "GEN_START" else 0] = True
    return put


class Library(unittest.TestCase):
    def check(self, code, spots, wrap):
        made = rewrite(code, spots, wrap)
        old, new = Decoded(code), Decoded(made)
        put = inserted(new, old, bool(wrap))
        own = [n for n, is_put in enumerate(put) if not is_put]
        self.assertEqual(len(own), len(old.ops))
        position = {n: k for k, n in enumerate(own)}
        hooked = set()
        for (_, name, arg, target, _), n, line in zip(old.ops, own, old.lines):
            got = new.ops[n]
            self.assertEqual(got[1], name)
            self.assertEqual(new.lines[n], line)
            if target is None:
                self.assertEqual(got[2], arg)
                continue
            # The jump leads to the same instruction, or to calls right before it.
            at = new.index[got[3]]
            calls = 0
            while put[at]:
                at += 1
                calls += 1
            self.assertEqual(position[at], old.index[target])
            if not wrap and name != "JUMP_BACKWARD_NO_INTERRUPT":
                self.assertFalse(put[new.index[got[3]] - 1] and calls == 0)
                hooked.add(got[3])
        last = None
        for n in range(len(put) - 1, -1, -1):
            if put[n] and not wrap:
                self.assertEqual(new.lines[n], last)
            last = new.lines[n]
        if VERSION >= (3, 11):
            before, after = list(code.co_positions()), list(made.co_positions())
            for n, k in zip(own, range(len(old.ops))):
                self.assertEqual(after[new.ops[n][4] // 2], before[old.ops[k][4] // 2])
        self.check_stack(made, old, new, own)
        for name in ("co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags",
                     "co_firstlineno", "co_name", "co_filename", "co_argcount"):
            self.assertEqual(getattr(made, name), getattr(code, name))

    def check_stack(self, made, old, new, own):
        depths, deepest = new.depths()
        before, old_deepest = old.depths()
        self.assertLessEqual(old_deepest, old.code.co_stacksize)
        self.assertLessEqual(deepest, made.co_stacksize)
        for k, n in enumerate(own):
            self.assertEqual(depths.get(n), before.get(k))

    def codes(self, every):
        for n, code in enumerate(library_codes(ALL)):
            if ALL or n % every == 0:
                yield code

    def test_nothing_inserted_is_identical(self):
        count = 0
        for code in library_codes(ALL):
            made = rewrite(code, [], {})
            for name in dir(code):
                if name.startswith("co_") and name not in ("co_lines", "co_positions"):
                    self.assertEqual(getattr(made, name), getattr(code, name), (name, code))
            self.assertEqual(made, code)
            count += 1
        print("\n%d code objects are identical" % count)
        self.assertGreater(count, 20000 if ALL else 10000)

    def test_line_hooks(self):
        for code in self.codes(4):
            try:
                self.check(code, [(unit, int) for unit in line_units(code)], {})
            except Exception as error:
                raise AssertionError(repr(code)) from error

    def test_instruction_hooks(self):
        for code in self.codes(16):
            spots = [(unit, int) for unit in instruction_units(code)]
            made = rewrite(code, spots, {})
            _, deepest = Decoded(made).depths()
            self.assertLessEqual(deepest, made.co_stacksize)

    def test_function_wrap_PY_06(self):
        for code in self.codes(4):
            try:
                self.check(code, [], SILENT)
            except Exception as error:
                raise AssertionError(repr(code)) from error

    def test_regions_PY_06(self):
        """Outer regions: all to one handler, disjoint, and together with the function's own
        they leave out only the prologue and what comes after a return is reported."""
        if VERSION < (3, 11):
            return
        for code in self.codes(4):
            made = rewrite(code, [], {"unwind": id, "return": id})
            new = Decoded(made)
            regions = new.handlers()
            for one, two in zip(regions, regions[1:]):
                self.assertLessEqual(one.end, two.start)
            handler = new.ops[-5][0]
            covered = {offset for r in regions for offset in range(r.start, r.end, 2)}
            names = [op[1] for op in new.ops]
            body = names.index("RESUME") + 1
            for n, (start, name, _, _, offset) in enumerate(new.ops[:-5]):
                if n < body:
                    self.assertNotIn(offset, covered)
                elif offset not in covered:
                    self.assertIn("RETURN_VALUE", names[n:n + 8])
            outer = [r for r in regions if r.target == handler]
            self.assertTrue(outer)
            self.assertTrue(all(r.depth == 0 and r.lasti for r in outer))

    def test_no_memory(self):
        """Whatever allocation fails, there is no code object, an error, and no leak."""
        def sample(x):
            for i in range(x):
                try:
                    yield i
                finally:
                    print(i)
        code = sample.__code__
        spots = [(unit, int) for unit in line_units(code)]
        failed = 0
        while True:
            try:
                rewrite(code, spots, SILENT, failed + 1)
                break
            except ValueError as error:
                self.assertEqual(error.args[0], -1)
            failed += 1
        self.assertGreater(failed, 10)

    def test_errors(self):
        def sample(x):
            return x.y
        code = sample.__code__
        for spots in ([(-1, int)], [(10000, int)], [(2, int), (0, int)]):
            with self.assertRaises(ValueError) as caught:
                rewrite(code, spots, {})
            self.assertEqual(caught.exception.args[0], -2)
        bad = [code.replace(co_code=bytes([dis.EXTENDED_ARG, 1])),
               code.replace(co_code=bytes([dis.opmap["JUMP_FORWARD"], 200, 9, 0, 9, 0]))]
        if VERSION >= (3, 11):
            bad.append(code.replace(co_exceptiontable=b"\x01"))
            bad.append(code.replace(co_linetable=b"\x01"))
        for code in bad:
            with self.assertRaises(ValueError) as caught:
                rewrite(code, [], {"unwind": id})
            self.assertEqual(caught.exception.args[0], -14)

    def test_blocks_nested_too_deep(self):
        """CPython 3.9 and 3.10 end the process when the 21st block is opened."""
        if VERSION >= (3, 11):
            return
        for depth in (18, 19, 20):
            lines = ["def f():"]
            for n in range(1, depth + 1):
                lines.append(" " * n + "try:")
            lines.append(" " * (depth + 1) + "raise KeyError")
            for n in range(depth, 0, -1):
                lines.append(" " * n + "finally:")
                lines.append(" " * n + " len('')")
            space = {}
            exec("\n".join(lines), space)
            f = space["f"]
            if depth == 20:
                with self.assertRaises(ValueError) as caught:
                    rewrite(f.__code__, [], {"unwind": id})
                self.assertEqual(caught.exception.args[0], -5)
                continue
            seen = []
            f.__code__ = rewrite(f.__code__, [], {"unwind": seen.append})
            self.assertRaises(KeyError, f)
            self.assertEqual(len(seen), 1)


if __name__ == "__main__":
    unittest.main()
