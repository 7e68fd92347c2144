"""docs/architecture.md: its diagrams are those of the code, and its changes work."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from support.architecture_page import PACKAGE, PAGE, page

USES = """
import json
import openai
import pytest

LINE = {"custom_id": "a", "method": "POST", "url": "/v1/rerank"}
LINE["body"] = {"model": "m", "documents": ["x", "y"]}

def test_the_verb_and_the_endpoint(fakebatch):
    fakebatch.on(custom_id="a").indent()
    batch = fakebatch.batches.add([LINE], status="completed")
    content = fakebatch.files[batch.output_file_id].content
    assert content.startswith(b'{\\n  "id"')
    assert len(json.loads(content)["response"]["body"]["results"]) == 2

@pytest.mark.fakebatch(dialect="acme")
def test_the_provider(fakebatch):
    assert fakebatch.base_url == "https://api.acme.example/v1"
    assert openai.OpenAI(base_url=fakebatch.base_url).batches.list().data == []
"""


def test_the_diagrams_are_drawn_from_the_code() -> None:
    """After a change of one: `python tests/support/architecture_page.py`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_verb_a_provider_and_an_endpoint_are_added_as_the_page_shows(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each diff of the page applies to the package as it is, and what it adds works."""
    shutil.copytree(PACKAGE, pytester.path / "fakebatch")
    shutil.copytree(PACKAGE.parent / "conftest_plugin", pytester.path / "conftest_plugin")
    diffs = re.findall(r"^```diff\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for diff in diffs:
        subprocess.run(["git", "apply"], input=diff.encode(), check=True, cwd=pytester.path)  # noqa: S607
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    pytester.makepyfile(USES)

    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert len(diffs) == 3
