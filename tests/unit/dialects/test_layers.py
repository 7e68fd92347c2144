"""Providers are data: the one folder that names them is `dialects/`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import fakebatch
from fakebatch.dialects import DIALECTS
from fakebatch.dialects.loading import unsupported

PACKAGE = Path(fakebatch.__file__).parent
OTHERS = {
    str(path.relative_to(PACKAGE)): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.parent.name != "dialects"
}
NAMES = {*DIALECTS, *unsupported(), "kimi", "qwen", "glm", "llama"} - {
    *("openai", "together", "compatible"),
}
"""The API is OpenAI's; the others are words."""


@pytest.mark.parametrize("path", OTHERS.values(), ids=OTHERS)
def test_no_other_module_names_a_provider(path: Path) -> None:
    """Neither in code nor in comments; what a provider does is asked of its dialect."""
    words = set(re.findall(r"[a-z]+", path.read_text("utf-8").lower()))

    assert words & NAMES == set()


@pytest.mark.parametrize("path", OTHERS.values(), ids=OTHERS)
def test_nothing_is_compared_with_the_name_of_a_dialect(path: Path) -> None:
    """There is no `if dialect == "openai"`, and no name is looked for in a text."""
    compared = [
        constant.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare | ast.MatchValue)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant)
    ]

    assert set(DIALECTS).isdisjoint(one for one in compared if isinstance(one, str))
