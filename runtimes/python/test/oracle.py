# SPDX-License-Identifier: Apache-2.0
"""How often each line of a program runs, told by the program itself: its source is rewritten so that
every statement counts itself, and what the probes would count is compared with that.

Only lines on which a statement begins are told; what stands on the further lines of a statement is
nobody's to count."""
import ast
import collections
import dis
import sys
import threading
import types

COUNT = "_count_this_line_"
# Statements that not every version has.
TRIES = (ast.Try, ast.TryStar) if hasattr(ast, "TryStar") else (ast.Try,)
MATCH = getattr(ast, "Match", None)
ALIAS = getattr(ast, "TypeAlias", None)


class _Rewriter(ast.NodeTransformer):
    """Puts a call before every statement (and into every condition that is asked again)."""

    def __init__(self):
        self.unsure = set()  # lines on which more runs than a statement alone
        self.lambdas = set()

    def _call(self, line, like):
        call = ast.Call(ast.Name(COUNT, ast.Load()), [ast.Constant(line)], [])
        return ast.copy_location(call, like)

    def _first(self, line, expression):
        """expression, counted each time it is evaluated; the call gives None."""
        both = ast.BoolOp(ast.Or(), [self._call(line, expression), expression])
        return ast.copy_location(both, expression)

    def _block(self, body, taken):
        """The statements of one block; `taken` is the line that its owner already counts."""
        out = []
        for index, node in enumerate(body):
            line = node.lineno
            counted = line != taken
            taken = getattr(node, "end_lineno", line) if counted or line == taken else taken
            counted_by_itself = isinstance(node, ast.While) and not self._is_one_line(node)
            # The header counts for all that stands on its line.
            new = self._statement(node, line if True else None)
            if counted and not counted_by_itself and not self._has_no_code(node, index):
                out.append(ast.copy_location(ast.Expr(self._call(line, node)), node))
            out.append(new)
        return out

    def _is_one_line(self, node):
        return node.body[0].lineno == node.lineno

    def _has_no_code(self, node, index):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return True
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return True
        return isinstance(node, ast.ImportFrom) and node.module == "__future__"

    def _header_end(self, node):
        """The last line on which anything of what stands before a compound statement's body is computed."""
        body = node.body[0]
        return max([node.lineno] + [
            part.end_lineno for field in ast.iter_child_nodes(node) for part in ast.walk(field)
            if getattr(part, "end_lineno", None) and not isinstance(part, ast.arg) and
            (part.end_lineno, part.end_col_offset) <= (body.lineno, body.col_offset)])

    def _statement(self, node, line):
        body = getattr(node, "body", None)
        if isinstance(body, list) and node.lineno < body[0].lineno <= self._header_end(node):
            self.unsure.add(body[0].lineno)  # a further line of the header, and the body's
        if ALIAS is not None and isinstance(node, ALIAS):
            node.value = self._first(node.value.lineno, node.value)  # computed later, if at all
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                inner_line = line if name == "body" else None
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    inner_line = None  # another code object counts its own
                if isinstance(node, ast.While) and not self._is_one_line(node):
                    inner_line = None
                doc = []
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and \
                        isinstance(block[0], ast.Expr) and isinstance(block[0].value, ast.Constant):
                    doc, block = block[:1], block[1:]
                setattr(node, name, doc + self._block(block, inner_line))
        if isinstance(node, ast.While) and not self._is_one_line(node):
            node.test = self._first(line, self.visit(node.test))
        if isinstance(node, TRIES):
            for handler in node.handlers:
                if handler.type is None:
                    handler.body = [ast.copy_location(ast.Expr(self._call(handler.lineno, handler)), handler)] \
                        + self._block(handler.body, handler.lineno)
                else:
                    handler.body = self._block(handler.body, handler.lineno)
                    handler.type = self._first(handler.lineno, self.visit(handler.type))
        if MATCH is not None and isinstance(node, MATCH):
            for case in node.cases:
                self.unsure.add(case.pattern.lineno)
                case.body = self._block(case.body, case.pattern.lineno)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.decorator_list = [
                self._first(d.lineno, self.visit(d)) if d.lineno != line else self.visit(d)
                for d in node.decorator_list]
        for name, value in ast.iter_fields(node):
            if name in ("test", "type", "decorator_list"):
                continue
            if isinstance(value, ast.expr):
                setattr(node, name, self.visit(value))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(node, name, [self.visit(v) for v in value])
            elif isinstance(value, ast.arguments):
                self.visit(value)
        if isinstance(node, (ast.If, ast.Assert)) or (
                isinstance(node, ast.While) and self._is_one_line(node)):
            node.test = self.visit(node.test)
        return node

    def visit_Lambda(self, node):
        self.generic_visit(node)
        node.body = self._first(node.body.lineno, node.body)
        self.lambdas.add(node.lineno)
        self.lambdas.add(node.body.lineno)
        return node


def rewrite(source, filename):
    """(code that counts, lines that are not to be compared)."""
    tree = ast.parse(source, filename)
    rewriter = _Rewriter()
    first_lines = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    tree.body = rewriter._block(tree.body, None)
    # A lambda on a further line of a statement: it is made there as well.
    rewriter.unsure |= rewriter.lambdas - first_lines
    ast.fix_missing_locations(tree)
    return compile(tree, filename, "exec", dont_inherit=True), rewriter.unsure


def all_codes(code, parent=None):
    yield code, parent
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from all_codes(const, code)


def _holds(native, parents, code, line):
    """Whether the line belongs to a statement outside `code`."""
    while code is not None and _is_part(code):
        code = parents[code]
        if code is not None and native.places_testonly(code, line):
            return True
    return False


def _is_part(code):
    return code.co_name in ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "__annotate__") or \
        code.co_name.startswith("<generic parameters of ") or \
        (not code.co_flags & 1 and code.co_name != "<module>")


def lines_of(code):
    if hasattr(code, "co_lines"):
        return {line for _, _, line in code.co_lines() if line}
    return {line for _, line in dis.findlinestarts(code)}


def places(native, root):
    """{code: {offset: [line, …]}} of every line of a program, as find() would choose them."""
    found = {}
    parents = dict(all_codes(root))
    for code in parents:
        chosen = {}
        for line in lines_of(code):
            if _holds(native, parents, code, line):
                continue
            for offset in native.places_testonly(code, line):
                chosen.setdefault(offset, []).append(line)
        found[code] = chosen
    return found


def run_counted(code, names, work):
    """What the program says."""
    counts = collections.Counter()

    def count(line):
        counts[line] += 1

    names = dict(names)
    names[COUNT] = count
    exec(code, names)
    work(names)
    return counts


def run_probed(native, code, names, work):
    """What probes on every line would count: every instruction that runs is looked at."""
    chosen = places(native, code)
    run = _run_monitored if hasattr(sys, "monitoring") else run_traced
    return run(native, chosen, code, names, work), \
        {line for told in chosen.values() for lines in told.values() for line in lines}


def _run_monitored(native, chosen, code, names, work, tool=1):
    counts = collections.Counter()
    monitoring = sys.monitoring
    monitoring.use_tool_id(tool, "oracle")

    # A loop that stands on a line of its own turns without executing it again (monitoring/turns.c).
    turning = []
    line_at = {this: {offset: line for start, end, line in this.co_lines() if line
                      for offset in range(start, end, 2)} for this in chosen}

    def on_jump(this, offset, to):
        line = line_at[this].get(offset)
        if to > offset or line is None or line != line_at[this].get(to):
            return monitoring.DISABLE
        turning[:] = [(sys._getframe(1), to)]

    def on_instruction(this, offset):
        lines = chosen[this].get(offset)
        if lines is None:
            return monitoring.DISABLE
        if turning != [(sys._getframe(1), offset)]:
            counts.update(lines)
        turning.clear()

    try:
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, on_instruction)
        monitoring.register_callback(tool, monitoring.events.JUMP, on_jump)
        for this in chosen:
            monitoring.set_local_events(tool, this, monitoring.events.INSTRUCTION | monitoring.events.JUMP)
        names = dict(names)
        exec(code, names)
        work(names)
    finally:
        for this in chosen:
            monitoring.set_local_events(tool, this, 0)
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
        monitoring.register_callback(tool, monitoring.events.JUMP, None)
        monitoring.free_tool_id(tool)
    return counts


def run_traced(native, chosen, code, names, work):
    """The same by sys.settrace, which every version has."""
    counts = collections.Counter()
    told = {}  # by identity; to look for a code object itself is slow
    last = {}  # the offset before, by frame
    turns = {}

    def is_turn(this, start, end):
        key = id(this), start, end
        if key not in turns:
            turns[key] = native.is_turn_testonly(this, start, end)
        return turns[key]

    def on_event(frame, event, arg):
        offsets = told.get(id(frame.f_code))
        if offsets is None:
            offsets = chosen.get(frame.f_code)
            if offsets is None:
                return None
            told[id(frame.f_code)] = offsets
        frame.f_trace_opcodes = True
        if event != "opcode":
            if event in ("call", "return"):
                last.pop(id(frame), None)
            return on_event
        offset = frame.f_lasti
        if offset in offsets and not (
                last.get(id(frame), -1) >= offset and is_turn(frame.f_code, last[id(frame)], offset)):
            counts.update(offsets[offset])
        last[id(frame)] = offset
        return on_event

    names = dict(names)
    before = sys.gettrace()
    threading.settrace(on_event)
    sys.settrace(on_event)
    try:
        exec(code, names)
        work(names)
    finally:
        sys.settrace(before)
        threading.settrace(before)
    return counts


def differences(native, source, filename, work, names=None):
    """[(line, the program's count, the probes' count, has places)] where they differ."""
    names = names or {"__name__": "oracle_subject"}
    counting, unsure = rewrite(source, filename)
    told = run_counted(counting, names, work)
    plain = compile(source, filename, "exec", dont_inherit=True)
    probed, with_places = run_probed(native, plain, names, work)
    statements = {line for line in told}
    wrong = []
    for line in sorted(statements | set(probed)):
        if line in unsure or line not in statements and line in with_places:
            continue  # a further line of a statement
        if told[line] != probed[line]:
            wrong.append((line, told[line], probed[line], line in with_places))
    return wrong
