"""Draws the diagrams of docs/architecture.md: `python tests/support/architecture_page.py`."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai

import fakebatch
from fakebatch import FakeBatch
from fakebatch.batch.lifecycle import TRANSITIONS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(fakebatch.__file__).parent
PAGE = ROOT / "docs" / "architecture.md"
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}
CONTENT = json.dumps({**LINE, "body": {"model": "m", "input": "hi"}}).encode()


def page() -> str:
    """The text of the page, with its diagrams drawn anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name, draw in (("statuses", statuses), ("layers", layers), ("way", way)):
        drawn = f"<!-- {name} -->\n" + "\n".join(draw()) + "\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: drawn, text, flags=re.DOTALL)  # noqa: B023
    return text


def statuses() -> Iterator[str]:
    """The statuses of a batch as a Mermaid diagram."""
    yield "```mermaid\nstateDiagram-v2\n    [*] --> validating"
    for status, following in TRANSITIONS.items():
        for after in sorted(following):
            yield f"    {status} --> {after}"
        if not following:
            yield f"    {status} --> [*]"
    yield "```"


def layers() -> Iterator[str]:
    """The layers of the import contract, from the top, with what each module is for."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract["name"] == "a request falls straight through"
    )
    yield "| layer | |\n|---|---|"
    for layer in contract["layers"]:
        modules = layer.split(" | ")
        for module in modules:
            beside = " (beside)" if module != modules[0] else ""
            yield f"| `{module.removeprefix('fakebatch.')}`{beside} | {first_line(module)} |"


def first_line(module: str) -> str:
    """The first line of a module's docstring."""
    path = ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def way() -> Iterator[str]:
    """The files that a retrieve enters, in the order in which it first does."""
    yield "| file | |\n|---|---|"
    for file in entered():
        module = "fakebatch." + file.removesuffix(".py").replace("/", ".")
        yield f"| `{file}` | {first_line(module)} |"


def entered() -> list[str]:
    """The files of the package that a retrieve enters."""
    files: dict[str, None] = {}

    def note(frame: Any, event: str, _: object) -> None:
        path, caller = Path(frame.f_code.co_filename), Path(frame.f_back.f_code.co_filename)
        # support/typed.py looks at every reply of the suite
        if event == "call" and PACKAGE in path.parents and caller.name != "typed.py":
            files.setdefault(path.relative_to(PACKAGE).as_posix())

    with FakeBatch() as fake:
        client = openai.OpenAI()
        batch = fake.batches.add(CONTENT, status="validating", created="-0s")
        client.batches.retrieve(batch.id)  # the first call of an operation makes its route
        profiler = sys.getprofile()
        sys.setprofile(note)
        client.batches.retrieve(batch.id)
        sys.setprofile(profiler)
    return list(files)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
