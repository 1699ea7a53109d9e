"""Every way to break a module: each changes one line inside a function, and no other.

What runs when a module is imported stays as it is (constants, class bodies, defaults,
decorators): a fork has imported it already. So do words for people: docstrings, logs and
strings, of which only a descending order ("-pk") counts as a decision. An assertion and a
failpoint decide nothing.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: A word of the code, and what stands in its place.
WORDS: Final = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
    "and": "or",
    "or": "and",
    "+": "-",
    "-": "+",
    "+=": "-=",
    "-=": "+=",
    "|": "&",
    "&": "|",
    "min": "max",
    "max": "min",
    "filter": "exclude",
    "exclude": "filter",
    "True": "False",
    "False": "True",
    "__lt": "__lte",
    "__lte": "__lt",
    "__gt": "__gte",
    "__gte": "__gt",
}
_OPERATORS: Final = (
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.IsNot),
    *(ast.In, ast.NotIn, ast.And, ast.Or, ast.Add, ast.Sub, ast.BitOr, ast.BitAnd),
)
_SPELLED: Final = re.compile(r"is\s+not\b|not\s+in\b|\b(?:is|in|and|or)\b|[<>=!]=?|\S")
#: What a function may always return, by what it says to return at last ("Upload | None").
_ANSWERS: Final = {"None": ("None",), "bool": ("True", "False")}
_LOOKUP: Final = re.compile(r"__[lg]te?$")
#: Calls that tell people what happened, or let a test stop a process at that point.
_DECIDES_NOTHING: Final = re.compile(r"(logger|failpoints)\.")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One line of a module before and after; `statement` is the line where that begins."""

    module: str
    line: int
    statement: int
    before: str
    after: str


@dataclass(frozen=True)
class _Edit:
    """Put `new` in place of what stands in a line between two columns."""

    line: int
    start: int
    end: int
    new: str


def mutants_of(module: str, source: str, only: re.Pattern[str]) -> list[Mutant]:
    """Return each mutant of the module's source once, from top to bottom.

    `only` has to be found in the line itself, or in the first one of its function.
    """
    intact = _compiled(source)
    mutants = {
        mutant
        for function in _functions(ast.parse(source))
        for mutant in _mutants_in(function, module, source.splitlines(), only)
        if _compiled(broken(source, mutant)) not in (None, intact)
    }
    return sorted(mutants, key=lambda mutant: (mutant.line, mutant.after))


def broken(source: str, mutant: Mutant) -> str:
    """Return the source with the mutant's line in it, and everything else as it was."""
    lines = source.splitlines(keepends=True)
    line = lines[mutant.line - 1]
    lines[mutant.line - 1] = mutant.after + line[len(line.rstrip("\r\n")) :]
    return "".join(lines)


def _mutants_in(
    function: _Function, module: str, lines: list[str], only: re.Pattern[str]
) -> Iterator[Mutant]:
    is_chosen = only.search(lines[function.lineno - 1])
    for statement in _statements(function):
        for edit in _edits(statement, function, lines):
            before = lines[edit.line - 1]
            # Columns are counted in bytes.
            if before.isascii() and (is_chosen or only.search(before)):
                after = before[: edit.start] + edit.new + before[edit.end :]
                yield Mutant(module, edit.line, statement.lineno, before, after)


def _compiled(source: str) -> object:
    """Return what Python makes of it, or None if it is no Python."""
    try:
        return compile(source, "", "exec", dont_inherit=True)
    except SyntaxError:
        return None


def _functions(tree: ast.Module) -> Iterator[_Function]:
    """Yield the functions and methods of a module. Those within others belong to these."""
    holders: list[ast.Module | ast.ClassDef] = [tree]
    while holders:
        for node in holders.pop().body:
            if isinstance(node, ast.ClassDef):
                holders.append(node)
            elif isinstance(node, _Function):
                yield node


def _statements(function: _Function) -> Iterator[ast.stmt]:
    """Yield the statements that may be broken, a compound one before those within it."""
    for node in ast.walk(function):
        if node is function or not isinstance(node, ast.stmt):
            continue
        if isinstance(node, (ast.Assert, ast.Import, ast.ImportFrom, _Function)):
            continue
        text = ast.unparse(node.value) if isinstance(node, ast.Expr) else ""
        if not _DECIDES_NOTHING.match(text):
            yield node


def _edits(
    statement: ast.stmt, function: _Function, lines: list[str]
) -> Iterator[_Edit]:
    yield from _edits_of_whole(statement, function)
    for node in _expressions(statement):
        yield from _edits_of_condition(node)
        for one, op, two in _operations(node):
            yield from _swapped_between(one, op, two, lines)
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                if node.lineno == operand.lineno:
                    start = node.col_offset
                    yield _Edit(node.lineno, start, start + len("not "), "")
            case ast.Constant(value=bool() as value):
                yield _replaced(node, WORDS[str(value)])
            case ast.Constant(value=int() as value):
                yield _replaced(node, str(value + 1))
            case ast.Call():
                yield from _edits_of_call(node, lines)


def _operations(node: ast.AST) -> Iterator[tuple[ast.expr, ast.AST, ast.expr]]:
    """Yield each operator of an expression between its two operands."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            yield from zip([left, *others[:-1]], ops, others, strict=True)
        case ast.BoolOp(op=op, values=values):
            yield from ((one, op, two) for one, two in pairwise(values))
        case ast.BinOp(left=one, op=op, right=two):
            yield one, op, two
        case ast.AugAssign(target=one, op=op, value=two):
            yield one, op, two


def _edits_of_whole(statement: ast.stmt, function: _Function) -> Iterator[_Edit]:
    """Leave a call out, or answer always the same: None, True or False where that fits."""
    line, start = statement.lineno, statement.col_offset
    match statement:
        case ast.Expr(value=ast.Call()):
            # The name `super` stays in the function: what it binds is bound as before.
            yield _Edit(line, start, start, "0 and ")
        case ast.Return(value=ast.expr() as value) if _is_in_one_line(value):
            returns = function.returns and ast.unparse(function.returns)
            for answer in _ANSWERS.get((returns or "").rpartition(" | ")[2], ()):
                if ast.unparse(value) not in ("None", "True", "False"):
                    yield _replaced(value, answer)


def _edits_of_condition(node: ast.AST) -> Iterator[_Edit]:
    """Let a condition always hold, or never."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            conditions, answers = [test], ("True", "False")
        case ast.While(test=test):
            conditions, answers = [test], ("False",)
        case ast.comprehension(ifs=ifs):
            conditions, answers = ifs, ("True", "False")
        case _:
            return
    for condition in conditions:
        if _is_in_one_line(condition):
            yield from (_replaced(condition, answer) for answer in answers)


def _edits_of_call(call: ast.Call, lines: list[str]) -> Iterator[_Edit]:
    """Swap min and max, filter and exclude, a lookup with its neighbour, and an order.

    What `limit_to_apps` keeps from a person stays in.
    """
    match call.func:
        case (
            ast.Name(id=("min" | "max") as name)
            | ast.Attribute(attr=("filter" | "exclude") as name)
        ):
            end = call.func.end_col_offset or 0
            line = call.func.end_lineno or call.func.lineno
            yield _Edit(line, end - len(name), end, WORDS[name])
        case ast.Attribute(attr="order_by"):
            yield from (_turned_round(each) for each in call.args if _is_text(each))
        case ast.Name(id="limit_to_apps") | ast.Attribute(attr="limit_to_apps"):
            first = call.args[0]
            if _is_in_one_line(call):
                text = lines[call.lineno - 1]
                yield _replaced(call, text[first.col_offset : first.end_col_offset])
    for keyword in call.keywords:
        if found := _LOOKUP.search(keyword.arg or ""):
            start, end = (keyword.col_offset + column for column in found.span())
            yield _Edit(keyword.lineno, start, end, WORDS[found.group()])


def _turned_round(field: ast.expr) -> _Edit:
    name = str(ast.literal_eval(field))
    return _replaced(field, f'"{name[1:] if name.startswith("-") else f"-{name}"}"')


def _swapped_between(
    one: ast.expr, op: ast.AST, two: ast.expr, lines: list[str]
) -> Iterator[_Edit]:
    """Swap the operator that stands between two operands. Text is not added up."""
    if not isinstance(op, _OPERATORS) or _is_text(one) or _is_text(two):
        return
    for line in range(one.end_lineno or one.lineno, two.lineno + 1):
        text = lines[line - 1]
        start = (one.end_col_offset or 0) if line == one.end_lineno else 0
        end = two.col_offset if line == two.lineno else len(text)
        for found in _SPELLED.finditer(text, start, end):
            word = found.group()
            if word == "#":
                break
            if word + text[found.end() : end][:1] in WORDS:
                word += text[found.end()]
            if word in WORDS:
                yield _Edit(line, found.start(), found.start() + len(word), WORDS[word])
                return


def _replaced(node: ast.expr, new: str) -> _Edit:
    return _Edit(node.lineno, node.col_offset, node.end_col_offset or 0, new)


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the statement and what it is made of, except statements, types and texts.

    What stands in an f-string has no place of its own before Python 3.12.
    """
    left: list[ast.AST] = [statement]
    while left:
        node = left.pop()
        yield node
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            left += (
                child
                for child in children
                if isinstance(child, ast.AST)
                and name != "annotation"
                and not isinstance(child, (ast.stmt, ast.JoinedStr))
                and not _is_strictness(child)
            )


def _is_strictness(node: ast.AST) -> bool:
    """Return whether this is `strict=True` of `zip`, which is an assertion."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _is_in_one_line(node: ast.expr) -> bool:
    return node.lineno == node.end_lineno
