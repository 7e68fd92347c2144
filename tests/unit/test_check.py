"""`fakebatch check`: what it finds in files, and how it prints it."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from fakebatch.cli.commands import app
from fakebatch.dialects import DIALECTS
from support.client import chat, jsonl

HOT = chat("hot")
HOT["body"] = {**HOT["body"], "temperature": 9}
FILES = {
    "good.jsonl": jsonl([chat("a"), chat("b")]),
    "bad.jsonl": jsonl([chat("a")]) + b"{'a': 1}\n" + jsonl([chat("a")]),
    "hot.jsonl": jsonl([chat("a")]) + b"\n" + jsonl([HOT]),
    "a,b: 100%.jsonl": b"[]",
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_bytes(content)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


def test_several_files_are_checked_each_by_itself() -> None:
    """One that cannot be read does not hide the others."""
    result = check("bad.jsonl", "none.jsonl", "good.jsonl")
    assert result.exit_code == 1
    assert result.stdout == "good.jsonl: 2 valid requests\n"
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["bad.jsonl:2", "bad.jsonl:3", "none.jsonl"]
    assert "(line 2, column 2: this is Python, not JSON" in lines[0]
    assert check("good.jsonl").exit_code == 0


def test_a_request_that_will_fail_is_a_problem() -> None:
    """The batch runs, and this line gets an error: the file is checked before it costs a day."""
    result = check("hot.jsonl")
    assert result.exit_code == 1
    assert result.stdout == "hot.jsonl: 1 valid requests\n"
    assert result.stderr.startswith("hot.jsonl:3: ")
    assert "'temperature'" in result.stderr
    assert "this request fails with status 400" in result.stderr


def test_the_endpoint_is_that_of_the_batch() -> None:
    """Lines for another are errors; one that the provider lacks is a mistake of the caller."""
    result = check("good.jsonl", "--endpoint", "/v1/embeddings")
    assert result.stderr.startswith("good.jsonl:1: ")
    assert check("good.jsonl", "--endpoint", "/v1/chat/completions").exit_code == 0
    result = check("good.jsonl", "--endpoint", "/chat")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "fakebatch: --endpoint /chat is none of OpenAI."


def test_json_has_everything() -> None:
    """Files, endpoints, and each problem with its line, part and detail."""
    result = check("bad.jsonl", "hot.jsonl", "good.jsonl", "--format", "json")
    bad, hot, good = json.loads(result.stdout)["files"]
    assert (result.exit_code, result.stderr) == (1, "")
    assert [problem["line"] for problem in bad["problems"]] == [2, 3]
    assert (bad["requests"], bad["endpoint"]) == (0, "/v1/chat/completions")
    assert hot["problems"][0]["param"] == "body.temperature"
    assert good == {
        "file": "good.jsonl",
        "endpoint": "/v1/chat/completions",
        "requests": 2,
        "problems": [],
    }


def test_github_gets_annotations() -> None:
    """Workflow commands; what would end a value is escaped."""
    result = check("bad.jsonl", "a,b: 100%.jsonl", "--format", "github")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("::error file=bad.jsonl,line=2,title=invalid_json_line::")
    assert lines[2].startswith("::error file=a%2Cb%3A 100%25.jsonl,title=refused::Invalid file")


def test_a_terminal_sees_that_a_large_file_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar with the name of the file, which is gone at the end."""
    screen = StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr("fakebatch.cli.check.error_console", terminal)
    assert check("good.jsonl").exit_code == 0
    assert "checking good.jsonl" in screen.getvalue()


def test_dialects_are_listed_and_shown() -> None:
    """Each with its name and address; one of them with what is known, and how."""
    listed = CliRunner().invoke(app, ["dialects"]).stdout
    assert [line.split()[0] for line in listed.splitlines()] == [*DIALECTS]
    shown = CliRunner().invoke(app, ["dialects", "groq"]).stdout
    assert shown.startswith("Groq\n  https://api.groq.com/openai/v1\n")
    assert len(re.findall("^  (?:documented|observed|inferred): ", shown, re.MULTILINE)) == len(
        DIALECTS["groq"].facts
    )
    assert CliRunner().invoke(app, ["dialects", "x"]).exit_code == 1


COMPLETIONS = {
    "commands": (
        "fakebatch ",
        {"run", "check", "serve", "exec", "gauntlet", "dialects", "incidents", "schema"},
    ),
    "dialects": ("fakebatch serve --dialect g", {"groq"}),
    "incidents": ("fakebatch run --incident download-", {"download-5xx", "download-truncated"}),
}


@pytest.mark.parametrize(("words", "offers"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_shells_complete_names(words: str, offers: set[str]) -> None:
    """After `fakebatch --install-completion`."""
    count = str(len(words.split(" ")) - 1)
    env = {"_FAKEBATCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
    result = CliRunner().invoke(app, [], env=env, prog_name="fakebatch")
    assert {*result.stdout.split()} == offers


def test_run_takes_scenario_files() -> None:
    """`--scenario`, beside `--incident`."""
    Path("a.toml").write_text("[[on]]\nfail = { status = 429 }")
    result = CliRunner().invoke(app, ["run", "good.jsonl", "--scenario", "a.toml"])
    assert result.exit_code == 0
    assert len(Path("good_errors.jsonl").read_text().splitlines()) == 2
