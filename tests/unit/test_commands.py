"""The command line: the main job, and what it says when it cannot do it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fakebatch.cli import main
from fakebatch.cli.commands import app
from fakebatch.rules.loading import known, read, schema
from support.client import chat, jsonl

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["requests", "responses", "embeddings"])
def test_an_example_goes_through_its_whole_life(name: str, tmp_path: Path) -> None:
    """Every status with its virtual time, then an output line for each request."""
    requests = (EXAMPLES / f"{name}.jsonl").read_text().splitlines()
    result = CliRunner().invoke(
        app, ["run", str(EXAMPLES / f"{name}.jsonl"), "--out", str(tmp_path)]
    )

    assert result.exit_code == 0
    for line in ("0:00:00  validating", "0:01:05  in_progress", "1:00:00  completed"):
        assert line in result.output
    for bar in ("completed", "writing"):
        assert re.search(rf"{bar} ━+ {len(requests)}/{len(requests)} lines", result.output)
    results = (tmp_path / f"{name}_output.jsonl").read_text().splitlines()
    ids = [sorted(json.loads(line)["custom_id"] for line in lines) for lines in (requests, results)]
    assert ids[0] == ids[1]


def test_a_terminal_sees_what_is_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar for every stretch that takes long with many lines, named after what is done."""
    screen = StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr("fakebatch.cli.commands.console", terminal)
    path = str(EXAMPLES / "requests.jsonl")
    CliRunner().invoke(app, ["run", path, "--out", str(tmp_path)])

    drawn = re.findall(r"([a-z_]+) [━╸╺ ]+(\d+/[\d?]+) lines", screen.getvalue())
    stages = [bar for bar, _ in itertools.groupby(name for name, _ in drawn)]
    assert stages == ["validating", "in_progress", "finalizing", "completed", "writing"]
    assert ("validating", "0/?") in drawn


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "Invalid file format for Batch API", id="an empty file is refused"),
        pytest.param(
            jsonl([chat("a"), chat("a")]),
            "in.jsonl:2: duplicate_custom_id",
            id="a bad line is named",
        ),
    ],
)
def test_what_cannot_run_is_said_in_the_services_words(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    """Exit status 1, the reason, and no result files."""
    (tmp_path / "in.jsonl").write_bytes(content)
    result = CliRunner().invoke(app, ["run", str(tmp_path / "in.jsonl")])

    assert result.exit_code == 1
    assert reason in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_result_files_are_not_overwritten(tmp_path: Path) -> None:
    """A file or link of their names is an error before anything runs, except with --force."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a")]))
    output, errors = tmp_path / "in_output.jsonl", tmp_path / "in_errors.jsonl"
    output.write_text("paid for")
    errors.symlink_to(tmp_path / "nowhere")
    run = ["run", str(tmp_path / "in.jsonl")]

    refused = CliRunner().invoke(app, run)
    assert refused.exit_code == 1
    assert refused.output.splitlines() == [
        f"{output} and {errors} would be overwritten.",
        "Use --force or another --out.",
    ]
    assert output.read_text() == "paid for"

    assert CliRunner().invoke(app, [*run, "--force"]).exit_code == 0
    assert json.loads(output.read_text())["custom_id"] == "a"


@pytest.mark.parametrize(
    ("line", "out", "reason"),
    [
        pytest.param(chat("a"), "in.jsonl", "in.jsonl: File exists", id="out is a file"),
        pytest.param(
            {
                "custom_id": "a",
                "method": "POST",
                "url": "/v1/videos",
                "body": {"model": "m", "prompt": "a cat"},
            },
            "",
            "There is no default reply to custom_id 'a', a request for /v1/videos.",
            id="there is no reply",
        ),
    ],
)
def test_a_mistake_is_not_a_traceback(
    line: dict[str, object], out: str, reason: str, tmp_path: Path
) -> None:
    """Exit status 1 and the reason."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl([line]))
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / out)])

    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, reason in result.output) == (1, True)


def test_the_version_is_printed() -> None:
    """By `--version`, and by the package run as a module."""
    command = [sys.executable, "-m", "fakebatch", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == f"fakebatch {version('fakebatch')}\n"


def test_without_the_extra_it_says_how_to_get_it() -> None:
    """Three lines and exit status 1, not a traceback."""
    code = "import sys; sys.modules['typer'] = None; from fakebatch.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == 1
    assert done.stderr.splitlines()[2] == "Run: pip install 'fakebatch[cli]'"
    assert len(done.stderr.splitlines()) == 3


def test_another_module_that_is_missing_is_not_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is shown as it is."""
    monkeypatch.delitem(sys.modules, "fakebatch.cli.commands")
    monkeypatch.setitem(sys.modules, "fakebatch.cli.run", None)
    with pytest.raises(ModuleNotFoundError, match=r"fakebatch\.cli\.run"):
        main()


def test_the_known_incidents_are_listed() -> None:
    """Each by its name and by what comes over the wire, in 80 columns."""
    result = CliRunner().invoke(app, ["incidents"])
    lines = result.output.splitlines()

    assert result.exit_code == 0
    assert [line for line in lines if not line.startswith("  ")] == [*known()]
    assert lines[:3] == [
        "completed-null-output",
        "  Every line fails. The batch is completed all the same, output_file_id is null,",
        "  and only the error file exists.",
    ]
    assert max(map(len, lines)) <= 80


DOWNLOAD_TRUNCATED = """\
download-truncated

Description
  The download of a result file breaks off. With a content-length, the SDK
  retries and then raises an error; without one, the body is silently short.

Affected clients
  Clients that mistake half a file for a whole one.

Parameters
  fraction = 0.3
  framing = "silent"
  times = 1

Evidence
  https://github.com/openai/openai-python/issues/2959
  https://github.com/openai/openai-java/issues/649

Usage
@pytest.mark.fakebatch(incident="download-truncated")

Scenario
[[on_call]]
operation = "files.content"
times = 1
truncate = { fraction = 0.3, framing = "silent" }
"""


def test_one_incident_is_shown_in_full() -> None:
    """What is known of it, and what can be copied to use or to change it."""
    result = CliRunner().invoke(app, ["incidents", "download-truncated"])
    assert (result.exit_code, result.output) == (0, DOWNLOAD_TRUNCATED)


def test_an_unknown_incident_is_an_error() -> None:
    """In three lines, with exit status 1."""
    result = CliRunner().invoke(app, ["incidents", "download"])

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "fakebatch: There is no incident 'download'.",
        f"Known incidents: {', '.join(known())}.",
        "Pass one of these, a Scenario, or the path of a .toml or .json file.",
    ]


@pytest.mark.parametrize("name", known())
def test_what_is_printed_of_an_incident_can_be_pasted(name: str) -> None:
    """The scenario is a file that makes the same happen; the marker names the incident."""
    result = CliRunner().invoke(app, ["incidents", name])
    usage, scenario = result.output.split("\nUsage\n")[1].split("\n\nScenario\n")

    assert result.exit_code == 0
    assert "  https://" in result.output
    assert usage == f'@pytest.mark.fakebatch(incident="{name}")'
    assert read(tomllib.loads(scenario)) == known()[name].with_parameters({})


def test_the_schema_of_scenarios_is_printed() -> None:
    """As JSON, for editors and validators."""
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == schema()
