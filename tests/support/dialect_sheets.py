"""Writes the generated half of docs/dialects.md, and docs/evidence/dialects.md, from the dialects.

Run `python tests/support/dialect_sheets.py` after a change of a dialect.
"""

from __future__ import annotations

import ast
import inspect
import json
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from fakebatch.dialects import DIALECTS, OPENAI, Dialect, Listing, Shapes, dialect
from fakebatch.dialects.loading import unsupported
from fakebatch.dialects.template import parse
from fakebatch.durations import text

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "dialects.md"
EVIDENCE_PAGE = DOCS / "evidence" / "dialects.md"
MARK = "<!-- tests/support/dialect_sheets.py writes the rest of this page -->\n"
EVIDENCE_HEAD = """# Evidence for the dialects

How each provider differs from OpenAI, how that is known (*documented*, *observed* or *inferred*)
and from which source. [dialects.md](../dialects.md) shows how to use a dialect,
[fidelity.md](fidelity.md) has the evidence for OpenAI's own behaviour.
`python tests/support/dialect_sheets.py` writes this page.
"""

COPIES = [each for each in DIALECTS.values() if each is not OPENAI]
ERRORS = ("errors", "batch_errors", "unfinished_line_errors", "line_errors")
NO_SETTINGS = ("name", "title", "facts", "unknown", "left_out")


def page() -> str:
    """docs/dialects.md: its hand-written half, and tables made from the dialects."""
    parts = [*_glance(), *_unsupported(), *_settings(), *_errors()]
    return PAGE.read_text("utf-8").partition(MARK)[0] + MARK + "\n" + "\n".join(parts)


def evidence_page() -> str:
    """docs/evidence/dialects.md: every fact of every provider, with its source."""
    return "\n".join([EVIDENCE_HEAD, *_providers()])


def example() -> str:
    """The TOML file that the page shows."""
    return page().partition("```toml\n")[2].partition("```")[0]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _head(*cells: str) -> Iterator[str]:
    yield from (_row(*cells), _row(*["---"] * len(cells)))


def _items(title: str, items: tuple[str, ...]) -> Iterator[str]:
    if items:
        yield from (f"{title}:\n", *(f"- {item}" for item in items), "")


def _code(value: Any) -> str:
    """A value as a file has it: text bare, all else as JSON."""
    if value in ("", None):
        return "" if value == "" else "`inf`"
    if isinstance(value, frozenset):
        value = sorted(value)
    bare = isinstance(value, str)
    return f"`{value}`" if bare else f"`{json.dumps(value, ensure_ascii=False)}`"


# --- what a user of a provider needs


def _glance() -> Iterator[str]:
    yield "## At a glance\n"
    yield from _head(
        "Dialect", "Address", "Windows", "Lines", "Bytes", "A batch lacks", "Listed by"
    )
    for each in (OPENAI, *COPIES):
        window = each.window.known.replace("'", "`") + ("" if each.window.ends else ", without end")
        lacks = sorted(parse(OPENAI.shapes.batch).keys() - parse(each.shapes.batch).keys())
        yield _row(
            f"`{each.name}`",
            f"`{each.base_urls[0]}`",
            window,
            f"{each.limits.batch_lines:,}",
            f"{each.limits.batch_bytes:,}",
            ", ".join(f"`{key}`" for key in lacks),
            _code(each.batches_list.cursor),
        )
    yield ""


def _providers() -> Iterator[str]:
    for each in COPIES:
        addresses = ", ".join(f"`{url}`" for url in each.base_urls)
        keys = " or ".join(f"`{name}`" for name in each.environment if each.auth)
        settings = f"[{each.name}.toml](../../fakebatch/dialects/{each.name}.toml)"
        yield f"## {each.title} (`{each.name}`)\n"
        like = _like(each.name)
        base = "OpenAI" if like == "openai" else f"[`{like}`](#{_anchor(DIALECTS[like])})"
        yield f"{addresses}{'; key: ' if keys else ''}{keys}; settings: {settings}."
        yield f"Differences from {base}:\n"
        yield from (f"- {fact.what} (*{fact.evidence}*: {fact.source})" for fact in each.facts)
        yield ""
        yield from _items("Not emulated", each.left_out)
        yield from _items("Not known, so as at OpenAI unless a line says otherwise", each.unknown)


def _like(name: str) -> str:
    """The dialect from which this one differs."""
    path = Path(dialect.__file__).with_name(f"{name}.toml")
    return str(tomllib.loads(path.read_text("utf-8")).get("like", "openai"))


def _anchor(each: Dialect) -> str:
    """The anchor of its heading, as GitHub makes it."""
    return f"{each.title} ({each.name})".lower().replace(" ", "-").translate({40: "", 41: ""})


def _unsupported() -> Iterator[str]:
    yield "## Providers without a dialect\n"
    yield "Their batch APIs are different. `FakeBatch(dialect=…)` raises an error that says why.\n"
    yield from (f"- `{name}`: {reason}" for name, reason in unsupported().items())
    yield ""


# --- what an author of a dialect needs


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield from _head("Setting", "OpenAI", "Meaning")
    meanings = _meanings()
    for field in fields(Dialect):
        value: Any = getattr(OPENAI, field.name)
        if field.name in NO_SETTINGS:
            continue
        if not is_dataclass(value):
            shown = "see below" if field.name in ERRORS else _code(value)
            yield _row(f"`{field.name}`", shown, meanings["Dialect", field.name])
            continue
        kind = type(value)
        for part in fields(value):
            item = getattr(value, part.name)
            timed = field.name == "pace" and item is not None
            shown = f"`{text(item)}`" if timed else _code(item)
            name = f"`{field.name}.{part.name}`"
            yield _row(name, shown, meanings.get((kind.__name__, part.name), ""))
    yield from ("", "What each shape can show (`x.*` is any member of `x`):\n")
    shapes = {f"shapes.{field.name}": field.type for field in fields(Shapes)}
    shapes["batches_list.shape`, `files_list.shape"] = fields(Listing)[0].type
    for name, annotation in shapes.items():
        yield f"- `{name}`: {get_args(annotation)[1].fields}"
    yield ""


def _meanings() -> dict[tuple[str, str], str]:
    """What the text below a field says of it, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for kind in ast.parse(inspect.getsource(dialect)).body:
        if not isinstance(kind, ast.ClassDef):
            continue
        for field, after in pairwise(kind.body):
            if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
                meaning = ast.literal_eval(after.value)
                found[kind.name, ast.unparse(field.target)] = " ".join(meaning.split())
    return found


def _errors() -> Iterator[str]:
    yield "## Error messages of OpenAI\n"
    yield "The placeholders in braces may be used in your own messages and in `param`.\n"
    yield from _head("Setting", "Status", "Code", "Message")
    for table in ("errors", "batch_errors", "line_errors"):
        for kind, error in getattr(OPENAI, table).items():
            status = "" if table == "batch_errors" else str(error.status)
            yield _row(f"`{table}.{kind}`", status, _code(error.code or ""), error.message)
    for code, message in OPENAI.unfinished_line_errors.items():
        yield _row(f"`unfinished_line_errors.{code}`", "", f"`{code}`", message)
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    EVIDENCE_PAGE.write_text(evidence_page(), "utf-8")
