"""`fakebatch gauntlet`: what a command gets, and what is said of one that gives up."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

NODE = """\
/app/client.mjs:3
throw new Error("no more quota");
      ^

Error: no more quota
    at file:///app/client.mjs:3:7
    at async loadESM (node:internal/process/esm_loader:34:7)

Node.js v20.20.2
"""
PYDANTIC = """\
Traceback (most recent call last):
  File "/app/client.py", line 3, in <module>
pydantic_core._pydantic_core.ValidationError: 1 validation error for Line
  Invalid JSON: EOF while parsing a string at line 1 column 16
    For further information visit https://errors.pydantic.dev/2.14/v/json_invalid
"""


def given_up(code: str, *arguments: str) -> str:
    """What is said of a command that runs this Python, and fails."""
    # of a single incident, the client prints to the screen
    only = ["--only", "shuffled-order", "--only", "model-name-resolved"]
    words = [sys.executable, "-m", "fakebatch", "gauntlet", *only, "--format", "json"]
    command = [*words, "--", sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    case: Any = json.loads(done.stdout)["cases"][0]
    return str(case["findings"][0]["message"][0])


@pytest.mark.parametrize(
    ("printed", "quoted"),
    {
        "the last line": ("Reading.\nThe disk is full.\n", "exit status 3: The disk is full."),
        "the error of Node, before its stack": (NODE, "exit status 3: Error: no more quota."),
        "the first line of an exception": (
            PYDANTIC,
            "exit status 3: pydantic_core._pydantic_core.ValidationError: 1 validation error for",
        ),
    }.values(),
    ids=["last line", "Node", "several lines"],
)
def test_a_command_that_gives_up_is_quoted(printed: str, quoted: str) -> None:
    """By its exit status, and the exception that it printed."""
    code = f"import sys; print({printed!r}, file=sys.stderr); sys.exit(3)"
    assert quoted in given_up(code)


def test_the_input_has_a_name_that_the_service_takes() -> None:
    """A client may upload the file as it is: files for batches are .jsonl."""
    code = "import sys; sys.exit(sys.argv[1].rpartition('/')[2])"
    assert "exit status 1: input.jsonl" in given_up(code, "{input}")
