"""The examples of docs/server.md and examples/server, as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from fakebatch.cli.commands import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text()

VITEST = """
import * as assert from "node:assert";
export { beforeEach, test } from "node:test";
export const expect = (value) => ({
  toBe: (wanted) => assert.strictEqual(value, wanted),
  toHaveLength: (wanted) => assert.strictEqual(value.length, wanted),
});
"""
"""What the example needs of vitest, by the test runner of Node."""


def block(marker: str) -> str:
    match = re.search(rf"^<!-- {marker} -->\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples" / "server", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(capfd: pytest.CaptureFixture[str], command: str) -> str:
    """Run a line of the page, which must succeed. Returns what its command printed."""
    program, *arguments = shlex.split(command)
    assert program == "fakebatch"
    result = CliRunner().invoke(app, arguments)
    printed = capfd.readouterr().out
    assert result.exit_code == 0, result.stderr + printed
    return printed


@needs("node")
def test_node(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A client of 45 lines without libraries sees every status and the results."""
    printed = execute(capfd, "fakebatch exec --expect-all-downloaded -- node client.mjs")
    assert [line.split(":")[0] for line in printed.splitlines()[:4]] == [
        "in_progress",
        "in_progress",
        "finalizing",
        "completed",
    ]
    assert len(re.findall('"status_code": 200', printed)) == 2


@needs("node")
def test_vitest(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Both of its tests, with what stands in for vitest."""
    library = files / "node_modules" / "vitest"
    library.mkdir(parents=True)
    (library / "package.json").write_text('{"type": "module", "exports": "./index.mjs"}')
    (library / "index.mjs").write_text(VITEST)
    (files / "client.test.mjs").write_text(block("vitest"))
    printed = execute(capfd, "fakebatch exec -- node --test --test-reporter tap client.test.mjs")
    assert len(re.findall("^ *ok .* - (?:every line|a failed line)", printed, re.MULTILINE)) == 2


@needs("curl")
@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_curl(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Upload, create, poll, download."""
    printed = execute(capfd, block("run").strip()).splitlines()
    assert printed[:-1] == ["in_progress", "finalizing", "completed"]
    assert '"custom_id": "a"' in printed[-1]


def test_containers_and_workflows_use_what_exists() -> None:
    """The variables and options that these examples have, which cannot run here."""
    commands = vars(typer.main.get_command(app))["commands"]
    names = {name: {each.opts[-1] for each in commands[name].params} for name in commands}
    variables = re.findall(r"FAKEBATCH_(\w+):", block("compose"))
    assert len(variables) == 5
    assert {f"--{each.lower().replace('_', '-')}" for each in variables} <= names["serve"]
    lines = re.findall(r"run: fakebatch (\w+) (.*)", block("workflow"))
    assert [command for command, _ in lines] == ["check", "exec"]
    for command, arguments in lines:
        assert {*re.findall(r"--\w[\w-]*", arguments)} <= names[command]
