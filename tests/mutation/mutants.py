"""Mutants: the faults that can be put into a module's source, one place and one change at a time."""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_NAMES: Final = {"any": "all", "all": "any", "min": "max", "max": "min"}
# A log line or a deleted name is nothing that a test of behaviour could miss.
_SILENT: Final = ("logger.", "log.", "super().__init__")

_ABOUT_TYPES: Final = frozenset(("annotation", "returns", "type_comment", "decorator_list"))

Change = tuple[str, ast.AST, str]
"""The kind of a fault, the node it replaces, and what stands there then."""


@dataclass(frozen=True)
class Mutant:
    """A module's source with one fault in it.

    Args:
        kind: The kind of fault.
        line: The line it begins on.
        before: The line as it was.
        source: The whole source with the fault.
        original: The whole source without it.
    """

    kind: str
    line: int
    before: str
    source: str
    original: str

    @property
    def difference(self) -> str:
        """The changed lines, as a diff shows them."""
        lines = difflib.unified_diff(self.original.splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def find_mutants(source: str) -> list[Mutant]:
    """Return every fault that can be put into a module, in the order of its lines.

    Args:
        source: The module's source.
    """
    lines = source.splitlines()
    changes = {(change[0], place(change[1]), change[2]): change for change in _changes(ast.parse(source))}
    mutants = []
    for kind, node, text in changes.values():
        row = node.lineno  # type: ignore[attr-defined]  # Only statements and expressions are changed.
        mutant = Mutant(kind, row, lines[row - 1].strip(), _replace(source, node, text), source)
        if _compiles(mutant.source):
            mutants.append(mutant)
    return sorted(mutants, key=lambda mutant: mutant.line)


def place(node: Any) -> tuple[int, int, int, int]:
    """Return where a node begins and ends.

    Args:
        node: A statement or an expression.
    """
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _replace(source: str, node: ast.AST, text: str) -> str:
    first, start, last, end = place(node)
    lines = source.encode().splitlines(keepends=True)  # Columns count bytes.
    head = b"".join(lines[: first - 1]) + lines[first - 1][:start]
    tail = lines[last - 1][end:] + b"".join(lines[last:])
    return (head + text.encode() + tail).decode()


def _changes(tree: ast.Module) -> Iterator[Change]:
    for node in _walk(tree):
        for find in _FINDERS:
            yield from find(node)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        # Types, and what is inside an f-string, whose columns older Pythons do not know.
        if name in _ABOUT_TYPES or (name == "keywords" and isinstance(node, ast.ClassDef)) or isinstance(value, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_about_types(child):
                yield from _walk(child)


def _is_about_types(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)):
        return True
    named = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
    return named.startswith(("__slots__", "__all__")) or isinstance(node, (ast.Import, ast.ImportFrom))


def _with(node: Any, **fields: Any) -> str:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return f"({ast.unparse(changed)})"


def _comparisons(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _COMPARISONS.get(type(operator), ()):
                yield "comparison", node, _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def _logic(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BoolOp):
        yield "and/or", node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node, f"({ast.unparse(node.operand)})"
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.Constant)):
        yield "condition", node.test, f"(not ({ast.unparse(node.test)}))"


def _arithmetic(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield "arithmetic", node, _with(node, op=_ARITHMETIC[type(node.op)]())


def _values(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield "constant", node, repr(node.value + 1)
        yield "constant", node, f"({node.value - 1!r})"
    if isinstance(node, ast.Name) and node.id in _NAMES and isinstance(node.ctx, ast.Load):
        yield "any/all", node, _NAMES[node.id]


def _arguments(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call) or len(node.args) < 2 or ast.unparse(node).startswith(_SILENT):
        return
    if not any(isinstance(argument, ast.Starred) for argument in node.args):
        yield "arguments swapped", node, _with(node, args=[node.args[1], node.args[0], *node.args[2:]])


def _statements(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not ast.unparse(node).startswith(_SILENT):
        yield "call removed", node, "pass"
    if isinstance(node, (ast.Assign, ast.AugAssign)) and not isinstance(_target(node), ast.Name):
        yield "assignment removed", node, "pass"
    if isinstance(node, (ast.Delete, ast.Continue, ast.Break)):
        yield "statement removed", node, "pass"
    if isinstance(node, ast.Raise):
        yield "exception swallowed", node, "pass"
    if isinstance(node, ast.Return) and node.value is not None and not _is_nothing(node.value):
        yield "value not returned", node, "return None"


def _target(node: ast.Assign | ast.AugAssign) -> ast.expr:
    return node.targets[0] if isinstance(node, ast.Assign) else node.target


def _is_nothing(value: ast.expr) -> bool:
    # Who asks for a truth value cannot tell None from False.
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)


def _returns(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.FunctionDef):
        body = [child for child in node.body if not _is_text(child)]
        if len(body) > 1 and not any(isinstance(child, ast.Return) and child.value is not None for child in ast.walk(node)):
            yield "early return", body[1], "return"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


_FINDERS: Final[Iterable[Callable[[ast.AST], Iterator[Change]]]] = (
    _comparisons,
    _logic,
    _arithmetic,
    _values,
    _arguments,
    _statements,
    _returns,
)
