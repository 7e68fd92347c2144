"""Writes the sheets of docs/dialects.md: `python tests/support/dialect_sheets.py`."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fakebatch.dialects.base import ErrorTemplate
from fakebatch.dialects.beyond import BEYOND
from fakebatch.dialects.shape import places

from fakebatch.dialects import DIALECTS, OPENAI, Dialect, base, knobs

TABLES = ("errors", "batch_errors", "unfinished_line_errors", "line_errors")
NO_KNOBS = {"name", "title", "facts", "unknown", "left_out"}

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
MARK = "<!-- from here on written by tests/support/dialect_sheets.py -->\n"


def page() -> str:
    """The page: what somebody wrote, and the sheets below it."""
    return PAGE.read_text("utf-8").partition(MARK)[0] + MARK + sheets()


def sheets() -> str:
    """Everything that is known of every dialect."""
    copies = [one for one in DIALECTS.values() if one is not OPENAI]
    parts = ["", *_glance(), *_matrix(copies)]
    for dialect in copies:
        parts += _sheet(dialect)
    return "\n".join([*parts, *_beyond(), *_knobs()]) + "\n"


def example() -> str:
    """The TOML file that the page shows."""
    return page().partition("```toml\n")[2].partition("```")[0]


def _glance() -> Iterator[str]:
    yield "## At a glance\n"
    yield _row("Dialect", "Address", "Windows", "Lines", "Bytes", "A batch lacks", "Lists go by")
    yield _row(*["---"] * 7)
    usual = set(OPENAI.shapes.batch.split())
    for one in DIALECTS.values():
        window = one.window.known.replace("'", "`") + ("" if one.window.ends else ", without end")
        lacks = ", ".join(sorted(f"`{key}`" for key in usual - _wire_keys(one.shapes.batch)))
        yield _row(
            f"`{one.name}`",
            f"`{one.base_urls[0]}`",
            window,
            f"{one.limits.batch_lines:,}",
            f"{one.limits.batch_bytes:,}",
            lacks,
            f"`{one.batches_list.cursor}`" if one.batches_list.cursor else "",
        )
    yield ""


def _wire_keys(shape: str) -> set[str]:
    return {place.path[0] for place in places(shape)}


def _matrix(copies: list[Dialect]) -> Iterator[str]:
    said = {one.name: dict(_letters(one)) for one in copies}
    rows = [one.name for one in fields(Dialect) if any(one.name in own for own in said.values())]
    yield "## What differs, and how sure that is\n"
    yield _row("", *said)
    yield _row(*["---"] * (len(said) + 1))
    for name in rows:
        yield _row(f"`{name}`", *(own.get(name, "") for own in said.values()))
    yield ""


def _letters(dialect: Dialect) -> Iterator[tuple[str, str]]:
    letters: dict[str, set[str]] = {}
    for fact in dialect.facts:
        for name in fact.knobs:
            letters.setdefault(name, set()).add(fact.evidence[0].upper())
    return ((name, "".join(sorted(found))) for name, found in letters.items())


def _sheet(dialect: Dialect) -> Iterator[str]:
    yield f"## {dialect.title} (`{dialect.name}`)\n"
    for fact in dialect.facts:
        yield f"**{fact.evidence.capitalize()}**: {fact.source}\n"
        yield from (f"- `{name}`: {_value(value)}" for name, value in fact.each())
        yield ""
    for title, items in (("Unknown", dialect.unknown), ("Left out", dialect.left_out)):
        if items:
            yield f"**{title}**\n"
            yield from (f"- {item}" for item in items)
            yield ""


def _value(value: Any) -> str:
    if isinstance(value, ErrorTemplate):
        return f"{value.status} “{value.message}”" + (f", `{value.code}`" if value.code else "")
    if isinstance(value, frozenset | set):
        value = sorted(value)
    if isinstance(value, Mapping | tuple | list | bool | int | None):
        return f"`{json.dumps(value, ensure_ascii=False)}`"
    return f"`{value}`" if value else "none"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _beyond() -> Iterator[str]:
    yield "## No dialects\n"
    yield "Their batch API is another one; `FakeBatch(dialect=…)` says why.\n"
    yield from (f"- `{name}`: {reason}" for name, reason in BEYOND.items())
    yield ""


def _knobs() -> Iterator[str]:
    meanings = {**_meanings(base), **_meanings(knobs)}
    yield "## The knobs, with OpenAI's values\n"
    yield _row("Knob", "OpenAI", "Meaning")
    yield _row("---", "---", "---")
    for one in fields(Dialect):
        value = getattr(OPENAI, one.name)
        if one.name in NO_KNOBS:
            continue
        if is_dataclass(value):
            kind = type(value).__name__
            for part, item in asdict(value).items():  # type: ignore[arg-type]
                yield _row(f"`{one.name}.{part}`", _value(item), meanings.get((kind, part), ""))
        else:
            shown = "a table" if one.name in TABLES else _value(value)
            yield _row(f"`{one.name}`", shown, meanings.get(("Dialect", one.name), ""))


def _meanings(module: Any) -> dict[tuple[str, str], str]:
    """What the text below a field says of it."""
    found: dict[tuple[str, str], str] = {}
    for kind in ast.parse(inspect.getsource(module)).body:
        if not isinstance(kind, ast.ClassDef):
            continue
        for one, after in pairwise(kind.body):
            if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr):
                name = ast.unparse(one.target)
                text = ast.literal_eval(after.value)
                found[kind.name, name] = " ".join(text.split())
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
