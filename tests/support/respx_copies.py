"""Copies of respx, as projects have them in their own tests."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import respx


@contextmanager
def copy_of_respx(folder: Path, library: str) -> Generator[ModuleType]:
    """A copy of respx for `library`, made as openai-python 3.57 made its `tests/respx2`.

    Args:
        folder: where the package is written.
        library: httpx or httpx2.
    """
    name = f"respx_for_{library}"
    core = library.replace("httpx", "httpcore")
    (folder / name).mkdir()
    for source in Path(respx.__file__).parent.glob("*.py"):
        text = source.read_text("utf-8")
        text = re.sub(r"^( *)import (http\w+)$", r"\1import \2 as \2", text, flags=re.MULTILINE)
        text = re.sub(r"import httpx as", f"import {library} as", text)
        text = re.sub(r"import httpcore as", f"import {core} as", text)
        text = text.replace("from httpx ", f"from {library} ")
        text = text.replace('"httpx._', f'"{library}._').replace('"httpcore._', f'"{core}._')
        text = re.sub(r"\bfrom respx\b", f"from {name}", text)
        (folder / name / source.name).write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield import_module(name)
    finally:
        sys.path.remove(str(folder))
        for module in [each for each in sys.modules if each.partition(".")[0] == name]:
            del sys.modules[module]
