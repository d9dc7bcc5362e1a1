"""The rules by which `scripts/mutants.py` makes mutants of a module: nobody picks them.

A mutant is the module with one edit. Its id names the function, the rule and the code that is edited, but no line:
it survives edits elsewhere.

| rule | edit |
|---|---|
| condition negated | that of an `if`, `elif`, `while`, ternary, comprehension or case; elsewhere a `not` is dropped |
| guard removed | an `if` without `else` never holds |
| operand removed | each operand of `and` and `or` |
| comparison | each operator becomes its neighbour (`>` and `>=`, `<` and `<=`) or its opposite (`==`, `is`, `in`) |
| returns True, False, None | a function whose annotation allows it returns that at once |
| row removed | each element of a tuple, list, set, dictionary or alternative pattern |
| cell exchanged | a rule in a table, a dictionary of calls with names, becomes each other one of its row |
| constant | a number becomes 0, and one more; `True` and `False` change places; a word gets another letter |
| arithmetic | `+` and `-`, `min` and `max`, `any` and `all` change places; a sign is dropped |
| argument removed | each keyword argument of a call |
| case removed | each case of a `match` never holds |
| handler removed | an `except` raises what it caught |
| step removed | a statement that only calls or yields, or changes an attribute or a counter, is not done |
| jump removed | a `continue` or `break` is not done |

Not edited, because only a reader notices: docstrings, f-strings, constants with white space in them (unless something
is compared with them), ternaries between such texts, calls of a log, annotations, decorators, protocols, imports.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeGuard

NEIGHBOURS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
COUNTERPARTS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# An atom binds tighter than everything that it may be put beside.
ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.Dict)
LOGS = re.compile(r"\b_?log\.\w+$")


class UnappliedError(Exception):
    """A mutant that cannot be applied."""


@dataclass(frozen=True)
class Edit:
    """Some bytes of a source, and what takes their place."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Mutant:
    """A module with one edit."""

    id: str
    module: str
    edit: Edit

    def apply(self, source: str) -> str:
        """Return the mutated source.

        :raises UnappliedError: It is no Python, or the same program.
        """
        raw = source.encode()
        mutated = (raw[: self.edit.start] + self.edit.text.encode() + raw[self.edit.end :]).decode()
        try:
            is_same = _program(mutated) == _program(source)
        except SyntaxError as error:
            raise UnappliedError(f"{self.id}: does not compile: {error}") from error
        if is_same:
            raise UnappliedError(f"{self.id}: is the same program")
        return mutated


@functools.lru_cache(maxsize=8)
def _program(source: str) -> tuple[object, ...]:
    return _essence(compile(source, "<module>", "exec"))


def _essence(code: CodeType) -> tuple[object, ...]:
    """Return what a code object does, without where it stands; a constant's type counts, since True == 1."""
    constants = tuple(
        _essence(value) if isinstance(value, CodeType) else (type(value), repr(value)) for value in code.co_consts
    )
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_exceptiontable


def mutants_of(module: str, source: str, unchanged: Collection[str] = ()) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text.

    :param unchanged: Functions and classes to leave as they are, by their qualified name.
    """
    maker = _Maker(source, unchanged)
    maker.visit(ast.parse(source))
    short = module.partition(".")[2] or module
    found: Counter[str] = Counter()
    mutants = []
    for where, rule, edit in sorted(maker.edits, key=lambda entry: (entry[2].start, entry[2].end)):
        name = f"{short}{'.' if where else ''}{where}: {rule}"
        found[name] += 1
        mutants.append(Mutant(name if found[name] == 1 else f"{name} ({found[name]})", module, edit))
    return mutants


class _Maker(ast.NodeVisitor):
    def __init__(self, source: str, unchanged: Collection[str]) -> None:
        self.raw = source.encode()
        self.unchanged = set(unchanged)
        self.edits: list[tuple[str, str, Edit]] = []
        self.names: list[str] = []
        self.conditions: set[ast.expr] = set()
        self.compared: set[ast.AST] = set()
        self.plain: set[ast.AST] = set()
        self.lines = [0]
        for line in self.raw.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    # Where a node stands

    def start(self, node: ast.AST) -> int:
        return self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def offset(self, line: int, column: int) -> int:
        return self.lines[line - 1] + column

    def text(self, node: ast.AST) -> str:
        return self.raw[self.start(node) : self.end(node)].decode()

    def operand(self, node: ast.expr) -> str:
        return self.text(node) if isinstance(node, ATOMS) else f"({self.text(node)})"

    def add(self, rule: str, shown: ast.AST | str, edit: Edit) -> None:
        snippet = " ".join((shown if isinstance(shown, str) else ast.unparse(shown)).split())
        snippet = snippet if len(snippet) <= 100 else f"{snippet[:97]}..."
        self.edits.append((".".join(self.names), f"{rule}: {snippet}" if snippet else rule, edit))

    def replace(self, rule: str, node: ast.AST, text: str, shown: ast.AST | str | None = None) -> None:
        self.add(rule, node if shown is None else shown, Edit(self.start(node), self.end(node), text))

    def before(self, rule: str, node: ast.AST, text: str, shown: str = "") -> None:
        """Put a line before a statement."""
        indent = " " * node.col_offset  # type: ignore[attr-defined]
        self.add(rule, shown, Edit(self.start(node), self.start(node), f"{text}\n{indent}"))

    # Definitions

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.append(node.name)
        if ".".join(self.names) not in self.unchanged and "Protocol" not in map(ast.unparse, node.bases):
            self.visit_body(node.body)
        self.names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names.append(node.name)
        if ".".join(self.names) not in self.unchanged:
            body = _without_docstring(node.body)
            if body:
                for value in _constant_returns(node.returns):
                    self.before(f"returns {value}", body[0], f"return {value}")
            for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                self.visit(default)
            self.visit_body(node.body)
        self.names.pop()

    def visit_Module(self, node: ast.Module) -> None:
        self.visit_body(node.body)

    def visit_body(self, body: list[ast.stmt]) -> None:
        for statement in _without_docstring(body):
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        pass

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    # Statements

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if not node.orelse:
            self.replace("guard removed", node.test, "False")
        self.negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, ast.Constant):
            self.negate(node.test)
            self.visit(node.test)
        self.visit_body(node.body)

    def visit_Expr(self, node: ast.Expr) -> None:
        value = node.value
        if isinstance(value, ast.Constant) or (isinstance(value, ast.Call) and LOGS.search(ast.unparse(value.func))):
            return
        self.skip(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if all(isinstance(target, ast.Attribute) for target in node.targets) and self.names[-1:] != ["__init__"]:
            self.skip(node)
        if isinstance(node.targets[0], ast.Tuple):
            self.plain.add(node.value)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.skip(node)
        self.visit(node.value)

    def skip(self, node: ast.stmt) -> None:
        """Statements stay in the text, so that a generator stays one."""
        self.replace("step removed", node, f"if False: {self.text(node)}")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value:
            self.plain.add(node.value)  # a tuple of another length only fails where it is unpacked
            self.visit(node.value)

    def visit_Continue(self, node: ast.Continue) -> None:
        self.replace("jump removed", node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        self.replace("jump removed", node, "pass")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if not isinstance(node.body[0], ast.Raise):
            self.before("handler removed", node.body[0], "raise", ast.unparse(node.type) if node.type else "")
        if isinstance(node.type, ast.Tuple):
            self.rows(node.type, node.type.elts)
        self.visit_body(node.body)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc:
            self.visit(node.exc)

    def visit_match_case(self, node: ast.match_case) -> None:
        shown = ast.unparse(node.pattern)
        if node.guard:
            self.replace("case removed", node.guard, "False", shown)
            self.negate(node.guard)
            self.visit(node.guard)
        else:
            end = self.end(node.pattern)
            self.add("case removed", shown, Edit(end, end, " if False"))
        for pattern in ast.walk(node.pattern):
            if isinstance(pattern, ast.MatchOr):
                self.rows(pattern, pattern.patterns, separator=" | ")
        self.visit_body(node.body)

    # Expressions

    def negate(self, test: ast.expr) -> None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            text = self.operand(test.operand)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _OPPOSED:
            text = self.compared_with(test, 0)
        else:
            text = f"not {self.operand(test)}"
        self.conditions.add(test)
        self.replace("condition negated", test, text)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not) and node not in self.conditions:
            self.replace("condition negated", node, self.operand(node.operand))
        if isinstance(node.op, ast.USub):
            self.replace("arithmetic", node, self.operand(node.operand))
        self.visit(node.operand)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        if not (_is_text(node.body) and _is_text(node.orelse)):
            self.negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.visit(node.iter)
        for test in node.ifs:
            self.negate(test)
            self.visit(test)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word = " and " if isinstance(node.op, ast.And) else " or "
        for position, operand in enumerate(node.values):
            rest = [other for other in node.values if other is not operand]
            text = word.join(map(self.operand, rest)) if len(rest) > 1 else f"({self.text(rest[0])})"
            shown = f"{ast.unparse(operand)} [of {word.strip()}, {position + 1}]"
            self.replace("operand removed", node, text, shown)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.compared.update(ast.walk(node))
        for position, operator in enumerate(node.ops):
            is_negation = node in self.conditions and len(node.ops) == 1 and type(operator) in _OPPOSED
            if not is_negation:
                self.replace("comparison", node, self.compared_with(node, position))
        self.generic_visit(node)

    def compared_with(self, node: ast.Compare, position: int) -> str:
        """Return the comparison with the neighbour of one of its operators."""
        parts = [self.operand(node.left)]
        for number, (operator, value) in enumerate(zip(node.ops, node.comparators, strict=True)):
            other = NEIGHBOURS[type(operator)] if number == position else _OPERATORS[type(operator)]
            parts += [other, self.operand(value)]
        return " ".join(parts)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Add | ast.Sub):
            sign = "-" if isinstance(node.op, ast.Add) else "+"
            self.replace("arithmetic", node, f"{self.operand(node.left)} {sign} {self.operand(node.right)}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if name == "field":
            return
        if name in COUNTERPARTS:
            self.replace("arithmetic", node.func, COUNTERPARTS[name], node)
        arguments = sorted((*node.args, *node.keywords), key=self.start)
        for keyword in node.keywords:
            if keyword.arg:
                shown = f"{name}({ast.unparse(keyword)})"
                self.without("argument removed", node, arguments, arguments.index(keyword), shown)
        for argument in arguments:
            self.visit(argument)
        self.visit(node.func)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        if node not in self.plain:
            self.rows(node, node.elts)
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self.rows(node, node.elts)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        self.rows(node, node.elts)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for position, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            rest = [
                f"{self.text(k)}: {self.text(v)}" if k else f"**{self.operand(v)}"
                for other, (k, v) in enumerate(zip(node.keys, node.values, strict=True))
                if other != position
            ]
            self.replace("row removed", node, f"{{{', '.join(rest)}}}", key or value)
        self.exchange_cells(node)
        self.generic_visit(node)

    def exchange_cells(self, table: ast.Dict) -> None:
        """Put each other rule of its row in the place of a rule; where the row has but one, one of the table."""
        rows = {key: value.args for key, value in zip(table.keys, table.values, strict=True) if _is_row(value)}
        of_table = [self.text(cell) for cells in rows.values() for cell in cells]
        for key, cells in rows.items():
            of_row = dict.fromkeys(map(self.text, cells))
            if len(of_row) == 1:
                of_row |= dict.fromkeys([rule for rule in of_table if rule not in of_row][:1])
            for position, cell in enumerate(cells):
                shown = f"{ast.unparse(key)} [{position + 1}] {self.text(cell)}" if key else self.text(cell)
                for other in of_row:
                    if other != self.text(cell):
                        self.replace("cell exchanged", cell, other, f"{shown} -> {other}")

    def rows(self, node: ast.AST, elements: list[ast.expr] | list[ast.pattern], separator: str = ", ") -> None:
        for element in elements:
            rest = [self.text(other) for other in elements if other is not element]
            match node:
                case ast.Tuple():
                    text = f"({', '.join(rest)}{',' if len(rest) == 1 else ''})"
                case ast.List():
                    text = f"[{', '.join(rest)}]"
                case ast.Set():
                    text = f"{{{', '.join(rest)}}}" if rest else "set()"
                case _:
                    text = separator.join(rest)
            self.replace("row removed", node, text, element)

    def without(self, rule: str, node: ast.AST, parts: list[ast.AST], position: int, shown: str) -> None:
        """Take one of some parts, which commas divide, out of the text."""
        part = parts[position]
        if position + 1 < len(parts):
            span = self.start(part), self.start(parts[position + 1])
        elif position:
            span = self.end(parts[position - 1]), self.end(part)
        else:
            span = self.start(part), self.end(part)
        self.add(rule, shown, Edit(*span, ""))

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        match value:
            case bool():
                self.replace("constant", node, str(not value))
            case int() | float():
                for other in dict.fromkeys((0, value + 1)):
                    if other != value:
                        self.replace("constant", node, repr(other), f"{value} -> {other}")
            case str() if not re.search(r"\s", value) or node in self.compared:
                self.replace("constant", node, repr(f"{value}x"), f"{value!r} -> {f'{value}x'!r}")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass


_OPERATORS = {
    operator: NEIGHBOURS[other]
    for operator, other in zip(
        NEIGHBOURS,
        [ast.GtE, ast.Gt, ast.LtE, ast.Lt, ast.NotEq, ast.Eq, ast.IsNot, ast.Is, ast.NotIn, ast.In],
        strict=True,
    )
}
_OPPOSED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:]
    return body


def _constant_returns(annotation: ast.expr | None) -> Iterator[str]:
    """Return the constants that a function may return as far as its annotation says, also one inside `Steps[...]`."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Steps"):
        annotation = annotation.slice
    names = {name.strip() for name in ast.unparse(annotation).split("|")} if annotation else set()
    if "bool" in names:
        yield from ("True", "False")
    if "None" in names and len(names) > 1:
        yield "None"


def _is_row(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is a row of a table: a call with names only, and more than one."""
    return (
        isinstance(node, ast.Call)
        and len(node.args) > 1
        and not node.keywords
        and all(isinstance(cell, ast.Name) for cell in node.args)
    )


def _is_text(node: ast.expr) -> bool:
    """Whether it is a text for readers."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(re.search(r"\s", node.value))
    return isinstance(node, ast.JoinedStr)
