"""The examples of docs/server.md, README.md and examples/server, as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from typer.testing import CliRunner

from fakebatch.cli.commands import app
from support.processes import serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text()
README = (ROOT / "README.md").read_text()
NODE_MODULES = ROOT / "tests" / "clients" / "node_modules"


def block(marker: str, page: str = PAGE) -> str:
    match = re.search(rf"^<!-- {marker} -->\n```\w+\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples in the current folder."""
    shutil.copytree(ROOT / "examples" / "server", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def vitest(files: Path) -> None:
    """The example for vitest beside them, with `npm test`."""
    if not (NODE_MODULES / "vitest").exists():
        pytest.skip("needs vitest of npm: npm install --prefix tests/clients")
    (files / "node_modules").symlink_to(NODE_MODULES)
    (files / "package.json").write_text(json.dumps({"scripts": {"test": "vitest run"}}))
    (files / "client.test.mjs").write_text(block("vitest"))


def execute(capfd: pytest.CaptureFixture[str], command: str) -> str:
    """Run a line of the page, which must succeed. Returns what its command printed."""
    program, *arguments = shlex.split(command)
    assert program == "fakebatch"
    result = CliRunner().invoke(app, arguments)
    printed = capfd.readouterr().out
    assert result.exit_code == 0, result.stderr + printed
    return printed + result.stdout


@needs("node")
def test_node(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A client of 45 lines without libraries sees every status and the results."""
    printed = execute(capfd, block("node").strip())
    assert [line.split(":")[0] for line in printed.splitlines()[:4]] == [
        "in_progress",
        "in_progress",
        "finalizing",
        "completed",
    ]
    assert len(re.findall('"status_code": 200', printed)) == 2


@needs("npx")
@pytest.mark.usefixtures("vitest")
def test_vitest(capfd: pytest.CaptureFixture[str]) -> None:
    """Both of its tests pass."""
    install, run = block("npx").splitlines()
    assert install.startswith("npm install ")
    assert re.search(r"Tests .*2 passed", execute(capfd, run))


@needs("curl")
@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_curl(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Upload, create, poll, download."""
    printed = execute(capfd, block("curl").strip()).splitlines()
    assert printed[:-1] == ["in_progress", "finalizing", "completed"]
    assert '"custom_id": "a"' in printed[-1]


@needs("node")
@needs("curl")
@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_the_words_of_the_readme(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each of its lines finishes a batch."""
    for line in block("exec", README).splitlines():
        assert "completed" in execute(capfd, line)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_compose(tmp_path: Path) -> None:
    """The service with its variables is ready as its health check says, and knows its name.

    Only the port and the folder of the ready file are others here.
    """
    service = yaml.safe_load(block("compose"))["services"]["openai"]
    assert service["command"].endswith('exec fakebatch serve"')
    ready = tmp_path / "ready"
    env = {name: str(value) for name, value in service["environment"].items()}
    assert service["healthcheck"]["test"] == f"test -f {env['FAKEBATCH_READY_FILE']}"
    own = {"FAKEBATCH_PORT": "0", "FAKEBATCH_READY_FILE": str(ready)}
    with serving(lines=9, env={**env, **own}) as served:
        assert ready.exists()
        url, names = served.env["FAKEBATCH_URL"], {"host": "openai:8000"}
        key, token = {"authorization": "Bearer sk-any"}, {"x-fakebatch-token": "for-the-tests"}
        for path, headers in (("/v1/files", key), ("/_fakebatch/world", token)):
            assert requests.get(url + path, headers=names | headers, timeout=10).status_code == 200


@needs("npm")
@pytest.mark.usefixtures("vitest")
def test_the_workflow(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The steps with fakebatch succeed, for the input files of a user."""
    (files / "data").mkdir()
    shutil.copy(ROOT / "examples" / "requests.jsonl", files / "data")
    workflow: Any = yaml.safe_load(block("workflow"))
    steps = [step.get("run", "") for step in workflow["jobs"]["tests"]["steps"]]
    check, run = (step for step in steps if step.startswith("fakebatch "))
    assert "10 valid requests" in execute(capfd, check.replace("*", "requests"))
    assert re.search(r"Tests .*2 passed", execute(capfd, run))
