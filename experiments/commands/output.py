"""What a command line says, to people or to programs: `--json` and `--quiet`, the same for every verb.

A verb prints lines for people and, beside them, puts the same facts into a document. With `--json` the document is all
that stands on stdout; a verb that put nothing has its lines in it. With `--quiet` nothing is said but what went wrong,
on stderr, where progress and remarks are otherwise.
"""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

Document = dict[str, Any]
_document: ContextVar[Document | None] = ContextVar("document", default=None)
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?(e[+-]?\d+)?")


def switches(arguments: Sequence[str]) -> tuple[list[str], bool, bool]:
    """A command line without --json and --quiet, and whether each was there."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    own, given = arguments[:end], arguments[end:]
    kept = [word for word in own if word not in ("--json", "--quiet")]
    return [*kept, *given], "--json" in own, "--quiet" in own


@contextmanager
def spoken(as_json: bool, quiet: bool) -> Iterator[None]:
    """Inside, what verbs print and put goes where the two switches say; the document is printed at the end."""
    document: Document = {}
    before = _document.set(document)
    printed = io.StringIO()
    try:
        with ExitStack() as stack:
            if quiet:
                from experiments import progress

                stack.enter_context(progress.hidden())
            if as_json or quiet:
                stack.enter_context(redirect_stdout(printed))
            yield
        if as_json:
            said = document or {"lines": printed.getvalue().splitlines()}
            print(json.dumps(plain(said), indent=1, allow_nan=False, ensure_ascii=False), flush=True)
    finally:
        _document.reset(before)


def put(**facts: Any) -> None:
    """Facts of the document, by name."""
    _now().update(facts)


def add(name: str, /, **facts: Any) -> None:
    """One more entry of a list of the document."""
    _now().setdefault(name, []).append(facts)


def put_table(name: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table of text as entries of a list: numbers as numbers, "-" and "" as null."""
    for entry in entries(head, lines):
        add(name, **entry)


def entries(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[Document]:
    """Lines of a table of text, each by the names of its columns."""
    known = [column or "name" for column in head]
    return [dict(zip(known, map(value_of, line), strict=True)) for line in lines]


def put_tables(name: str, shown: RenderableType) -> None:
    """The tables of what is shown on a terminal, by their titles; without a title they are of `name`."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not isinstance(shown, Group):
        shown = Group(shown)
    title = name
    for part in shown.renderables:
        if isinstance(part, Table):
            cells = [[str(cell) for cell in column.cells] for column in part.columns]
            put_table(
                str(part.title or title),
                [str(c.header) for c in part.columns],
                zip(*cells, strict=True),
            )
        elif isinstance(part, (Text, str)):
            title = str(part).strip()


def value_of(cell: str) -> Any:
    """What a cell of a printed table says: a number, a text, or None."""
    if cell in ("", "-"):
        return None
    if not _NUMBER.fullmatch(cell):
        return cell
    digits = cell.replace(",", "")
    return int(digits) if re.fullmatch(r"[+-]?\d+", digits) else float(digits)


def plain(value: Any) -> Any:
    """Values as JSON has them: text for paths, None for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def fault(text: str) -> None:
    """One line about what went wrong: on stderr whatever the switches say, and in the document."""
    print(f"cascade: {text}", file=sys.stderr)
    _now().setdefault("faults", []).append(text)


def _now() -> Document:
    """The document of this command line; a verb that is called from Python has none that anybody reads."""
    document = _document.get()
    return {} if document is None else document
