"""Writes docs/api.md from the docstrings: `python tests/support/api_page.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
HEAD = """# API

The public names, from their docstrings; `python tests/support/api_page.py` writes this page.
`import fakebatch` has those of the first part. The classes of the second part hang on a `FakeBatch`
and are not made by hand. The verbs of rules are described in [scenarios.md](scenarios.md).
"""


def page(attached: dict[str, str]) -> str:
    """The text of docs/api.md: exports of the package, then classes by attribute."""
    package = griffe.load("fakebatch", search_paths=[ROOT], docstring_parser="google")
    fake_batch = of_class(package["FakeBatch"])
    parts = [HEAD, *section("FakeBatch", fake_batch)]
    for name in sorted(map(str, package.exports or ())):
        target = final(package[name])
        if isinstance(target, griffe.Function):
            parts += [f"## {name}{parameters(target)}\n\n{text(target.docstring)}\n"]
        elif name != "FakeBatch":
            parts += section(name, of_class(target), fake_batch)
    for attribute, path in attached.items():
        parts += section(f"FakeBatch.{attribute}", of_class(package[path]))
    return "\n".join(parts)


def final(public: griffe.Object | griffe.Alias) -> griffe.Object:
    """What a public name stands for."""
    return public.final_target if isinstance(public, griffe.Alias) else public


def of_class(public: griffe.Object | griffe.Alias) -> griffe.Class:
    """The class that a public name stands for."""
    target = final(public)
    assert isinstance(target, griffe.Class)
    return target


def section(name: str, cls: griffe.Class, known: griffe.Class | None = None) -> Iterator[str]:
    """The Markdown of a class and of its public members, except those that `known` has too."""
    yield f"## {name}\n\n{text(cls.docstring)}\n"
    for member in cls.all_members.values():
        if member.name.startswith("_") or not member.docstring:
            continue
        if known is None or member.name not in known.all_members or cls.name == "Scenario":
            yield f"### {name}.{member.name}{parameters(member)}\n\n{text(member.docstring)}\n"


def parameters(member: griffe.Object | griffe.Alias) -> str:
    """`(a, *, b=1)` of a method; nothing for an attribute."""
    function = member.final_target if isinstance(member, griffe.Alias) else member
    if not isinstance(function, griffe.Function):
        return ""
    words: list[str] = []
    for each in function.parameters:
        if each.name == "self":
            continue
        has_star = any(word.startswith("*") for word in words)
        if each.kind is griffe.ParameterKind.keyword_only and not has_star:
            words.append("*")
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
        default = "" if each.default is None or each.kind in stars else f"={each.default}"
        words.append(stars.get(each.kind, "") + each.name + default)
    return f"({', '.join(words)})"


def text(docstring: griffe.Docstring | None) -> str:
    """A docstring as Markdown: its sections as lists."""
    parts: list[str] = []
    for part in docstring.parsed if docstring else ():
        if isinstance(part, griffe.DocstringSectionText):
            parts.append(part.value)
        elif part.kind is not griffe.DocstringSectionKind.attributes:  # they have their own entries
            rows = [f"- `{label(row)}`: {' '.join(row.description.split())}" for row in part.value]
            parts.append(f"{part.kind.value.capitalize()}:\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def label(row: griffe.DocstringElement) -> str:
    """The name of a parameter, or the class of an exception."""
    return getattr(row, "name", None) or str(row.annotation)


ATTACHED = {
    "clock": "vtime.clock.Clock",
    "journal": "inspection.journal.Journal",
    "batches": "inspection.seeding.Batches",
    "batches[id]": "inspection.objects.BatchView",
    "files": "inspection.seeding.Files",
    "files[id]": "inspection.objects.FileView",
    "uploads": "inspection.seeding.Uploads",
    "uploads[id]": "inspection.objects.UploadView",
    "webhooks": "webhooks.delivered.DeliveredWebhooks",
}

if __name__ == "__main__":
    PAGE.write_text(page(ATTACHED), encoding="utf-8")
