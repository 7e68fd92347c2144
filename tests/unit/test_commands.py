"""The command line: the main job, and what it says when it cannot do it."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fakebatch.cli import main
from fakebatch.cli.commands import app
from fakebatch.cli.run import Run
from fakebatch.dialects import DIALECTS
from fakebatch.rules.catalogue import known, named, of_group
from fakebatch.rules.loading import read, schema
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


GZIP = b"\x1f\x8b\x08"
BAD_FILES = {
    "an empty file": (b"", ["Invalid file format for Batch API. Must be .jsonl", "it is empty"]),
    "a compressed file": (GZIP, ["Must be .jsonl", "in.jsonl: it is compressed by gzip"]),
    "an array": (b"[" + jsonl([chat("a")]) + b"]", ["in.jsonl: it is one array of 1 item"]),
    "a bad line": (jsonl([chat("a"), chat("a")]), ["in.jsonl:2: duplicate_custom_id"]),
    "a line of Python": (
        jsonl([chat("a")]) + b"{'a': 1}",
        ["in.jsonl:2: invalid_json_line", "(line 2, column 2: this is Python, not JSON"],
    ),
    "many bad lines": (
        jsonl([chat("a")]) + b"{}\n" * 30,
        ["in.jsonl:21: missing_required_parameter", "… and 10 more errors"],
    ),
    "a file for Azure": (
        jsonl([chat("a") | {"url": "/chat/completions"}]),
        ["in.jsonl is for '/chat/completions', which OpenAI does", "use --dialect azure."],
    ),
    "a file for Zhipu": (
        jsonl([chat("a") | {"url": "/v4/chat/completions"}]),
        ["That is an endpoint of zhipu: use --dialect zhipu."],
    ),
    "a file for nobody": (
        jsonl([chat("a") | {"url": "/v1/audio/speech"}]),
        ["It serves /v1/chat/completions, ", "Change the `url` of the lines"],
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("content", "reasons"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_cannot_run_is_an_error(
    command: str, content: bytes, reasons: list[str], tmp_path: Path
) -> None:
    """Exit status 1, the words of the service and the fault of the file, and no result files."""
    (tmp_path / "in.jsonl").write_bytes(content)
    result = CliRunner().invoke(app, [command, str(tmp_path / "in.jsonl")])

    assert result.exit_code == 1
    assert [reason for reason in reasons if reason not in result.stderr] == []
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_file_runs_at_every_provider(dialect: str, tmp_path: Path) -> None:
    """Its result lines are those of the provider."""
    provider, path = DIALECTS[dialect], tmp_path / "in.jsonl"
    model = provider.batch_models[0] if provider.batch_models else "m"
    url, body = provider.endpoints[0], chat("a", model=model)["body"]
    if not url.endswith("/chat/completions"):
        body = {"model": model, "input": "hi"}
    path.write_bytes(jsonl([chat("a") | {"url": url, "body": body}]))
    for command in ("check", "run"):
        result = CliRunner().invoke(app, [command, str(path), "--dialect", dialect])
        assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads((tmp_path / "in_output.jsonl").read_text())["custom_id"] == "a"


def test_a_provider_that_skips_bad_lines_names_them(tmp_path: Path) -> None:
    """`run` runs the others; for `check` they are an error."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl([chat("a")]) + b"{\n")
    for command, status in (("check", 1), ("run", 0)):
        result = CliRunner().invoke(app, [command, str(path), "--dialect", "groq"])
        assert result.exit_code == status
        assert "in.jsonl:2: invalid_json_line" in result.stderr


def test_standard_input_makes_standard_output(tmp_path: Path) -> None:
    """Result lines alone; what a terminal shows goes to standard error. So do pipes."""
    content = jsonl([chat("a")])
    os.mkfifo(tmp_path / "in.jsonl")
    writer = Thread(target=(tmp_path / "in.jsonl").write_bytes, args=(content,))
    writer.start()
    for file, stdin in (("-", content), (str(tmp_path / "in.jsonl"), b"")):
        result = CliRunner().invoke(app, ["run", file], input=stdin)
        assert json.loads(result.stdout)["custom_id"] == "a"
        assert "completed" in result.stderr
    writer.join()
    assert CliRunner().invoke(app, ["check", "-"], input=content).output == "-: 1 valid requests\n"


@pytest.mark.parametrize("file", ["-", "/dev/stdin"])
def test_standard_input_makes_files(file: str, tmp_path: Path) -> None:
    """In the directory of `--out`."""
    command = [sys.executable, "-m", "fakebatch", "run", file, "--out", str(tmp_path / "a")]
    subprocess.run(command, input=jsonl([chat("a")]), capture_output=True, check=True)  # noqa: S603
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["stdin_output.jsonl"]


def test_a_reader_that_stops_is_no_traceback(tmp_path: Path) -> None:
    """As `head` does. Nor is a terminal without UTF-8."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat(f"{n}") for n in range(5000)]))
    for arguments in (["schema"], ["incidents"], ["run", "in.jsonl", "--out", "-"]):
        with subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "fakebatch", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.readline()
            process.stdout.close()
            assert b"Traceback" not in process.stderr.read()


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result file appears when it is complete; until then a former one stays."""

    def interrupted(_: Run, __: str) -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a")]))
    (tmp_path / "in_output.jsonl").write_text("paid for")
    monkeypatch.setattr(Run, "download", interrupted)
    result = CliRunner().invoke(app, ["run", str(tmp_path / "in.jsonl"), "--force"])

    assert result.exit_code != 0
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "in_output.jsonl"}
    assert (tmp_path / "in_output.jsonl").read_text() == "paid for"


LEFTOVERS = {
    "no errors": ("output", "errors", ()),
    "only errors": ("errors", "output", ("--scenario", "fails.toml")),
}


@pytest.mark.parametrize(("written", "removed", "options"), LEFTOVERS.values(), ids=LEFTOVERS)
def test_a_result_file_of_an_earlier_run_does_not_stay(
    written: str,
    removed: str,
    options: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With --force, a kind of file that the batch does not have is removed, and that is printed."""
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_bytes(jsonl([chat("a")]))
    Path("fails.toml").write_text("[[on]]\nfail = { status = 400 }\n")
    Path(f"in_{written}.jsonl").write_text("old")
    Path(f"in_{removed}.jsonl").write_text("old")
    result = CliRunner().invoke(app, ["run", "in.jsonl", "--force", *options])

    assert (result.exit_code, result.output.splitlines()[-2:]) == (
        0,
        [
            f"wrote in_{written}.jsonl (1 lines)",
            f"removed in_{removed}.jsonl, which was there before this run",
        ],
    )
    assert not Path(f"in_{removed}.jsonl").exists()
    assert Path(f"in_{written}.jsonl").read_text() != "old"


def test_what_is_printed_removes_nothing(tmp_path: Path) -> None:
    """`--out -` has nothing to do with the files."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a")]))
    (tmp_path / "in_errors.jsonl").write_text("old")
    run = ["run", str(tmp_path / "in.jsonl"), "--out", "-", "--force"]
    assert CliRunner().invoke(app, run).exit_code == 0
    assert (tmp_path / "in_errors.jsonl").read_text() == "old"


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """With --force."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a")]))
    (tmp_path / "paid.jsonl").write_text("paid for")
    (tmp_path / "in_output.jsonl").symlink_to(tmp_path / "paid.jsonl")
    CliRunner().invoke(app, ["run", str(tmp_path / "in.jsonl"), "--force"])
    assert (tmp_path / "paid.jsonl").read_text() == "paid for"
    assert "custom_id" in (tmp_path / "in_output.jsonl").read_text()


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


VIDEO = chat("a") | {"url": "/v1/videos", "body": {"model": "m", "prompt": "a cat"}}
MISTAKES: dict[str, tuple[list[str], str]] = {
    "out is a file": (["in.jsonl", "--out", "in.jsonl"], "in.jsonl: File exists"),
    "out is in a file": (["in.jsonl", "--out", "in.jsonl/x"], "in.jsonl/x: Not a directory"),
    "out is no place": (["in.jsonl", "--out", "/proc"], "/proc/in_output.jsonl: No such file"),
    "there is no file": (["no.jsonl"], "no.jsonl: No such file or directory"),
    "a directory": (["."], ".: Is a directory"),
    "no dialect": (
        ["in.jsonl", "--dialect", "x"],
        "There is no dialect 'x'.\nThe dialects are 'azure'",
    ),
    "no dialect file": (["in.jsonl", "--dialect", "x.toml"], "x.toml': it cannot be read: "),
    "no incident": (["in.jsonl", "--incident", "x"], "There is no incident 'x'.\nThe groups are"),
    "no scenario": (["in.jsonl", "--incident", "x.toml"], "'x.toml' cannot be read as a scenario"),
    "a failed batch": (["in.jsonl", "--incident", "enqueued-token-limit"], "token_limit_exceeded"),
    "a failed call": (["in.jsonl", "--incident", "create-retried-duplicate-batch"], "had an error"),
    "no reply": (
        ["video.jsonl"],
        "There is no default reply to custom_id 'a', a request for /v1/videos.\nDefault replies",
    ),
}


@pytest.mark.parametrize(("arguments", "reason"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_not_a_traceback(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and the reason, without advice that only Python can follow."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a")]))
    (tmp_path / "video.jsonl").write_bytes(jsonl([VIDEO]))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", *arguments])

    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, reason in result.stderr) == (1, True)
    assert "fakebatch.on" not in result.output


def test_a_scenario_has_the_replies_that_are_missing(tmp_path: Path) -> None:
    """As the error of a line without a default reply advises."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([VIDEO]))
    (tmp_path / "a.toml").write_text('[[on]]\nreply = { answer = { id = "video_1" } }')
    command = ["run", str(tmp_path / "in.jsonl"), "--incident", str(tmp_path / "a.toml")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert '"video_1"' in (tmp_path / "in_output.jsonl").read_text()


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
    """Group after group, each by its id and by what comes over the wire, in 80 columns."""
    result = CliRunner().invoke(app, ["incidents"])
    lines = result.output.splitlines()

    assert result.exit_code == 0
    assert [line for line in lines if line and line[0] not in " #"] == [*known()]
    assert [line[2:].partition(":")[0] for line in lines if line.startswith("# ")] == [
        *dict.fromkeys(incident.group for incident in known().values())
    ]
    assert max(map(len, lines)) <= 80


def test_the_incidents_of_a_group_are_listed() -> None:
    """By its name, in place of that of an incident."""
    lines = CliRunner().invoke(app, ["incidents", "expiry"]).output.splitlines()
    assert lines[0] == "# expiry: The end of the completion window."
    assert [line for line in lines[1:] if not line.startswith("  ")] == [
        incident.id for incident in of_group("expiry")
    ]


DOWNLOAD_TRUNCATED = """\
# results/download-truncated
#
# Description
#   The download of a result file breaks off. With a content-length, the SDK
#   retries and then raises an error; without one, the body is silently short.
#
# Affected clients
#   Clients that mistake half a file for a whole one.
#
# A robust client
#   Compares the size with `bytes` of the file object, the lines with the
#   requests, and downloads again.
#
# Parameters
#   fraction = 0.3
#     The fraction of the body that arrives.
#   framing = "silent"
#     `content_length` and `chunked` are errors for the HTTP client, `silent` is
#     none.
#   times = 1
#     How many downloads break off.
#
# Verdicts
#   no loss, no lie, no double spend.
#
# Evidence
#   A+E: reports with details of the wire and measurements.
#   https://github.com/openai/openai-python/issues/2959
#   https://github.com/openai/openai-java/issues/649
#   https://github.com/openai/openai-java/issues/650
#   Measured with openai-python 3.54.0: a body that ends with the connection is
#   short without an error.
#
# Usage
#   @pytest.mark.fakebatch(incident="results/download-truncated")
#   fakebatch.incident("results/download-truncated", fraction=0.3)
#   fakebatch serve --incident results/download-truncated
#   fakebatch incidents results/download-truncated > scenario.toml
#   fakebatch gauntlet --only results/download-truncated -- python my_client.py {input} {output}

[[on_call]]
operation = "files.content"
times = 1
truncate = { fraction = 0.3, framing = "silent" }
"""


@pytest.mark.parametrize("name", ["download-truncated", "results/download-truncated"])
def test_one_incident_is_shown_in_full(name: str) -> None:
    """What is known of it, and what can be copied to use or to change it."""
    result = CliRunner().invoke(app, ["incidents", name])
    assert (result.exit_code, result.output) == (0, DOWNLOAD_TRUNCATED)


def test_an_unknown_incident_is_an_error() -> None:
    """In three lines, with exit status 1; names near to it are in them."""
    result = CliRunner().invoke(app, ["incidents", "download-truncate"])

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "fakebatch: There is no incident 'download-truncate'.",
        "Similar names: results/download-truncated, results/download-5xx.",
        "`fakebatch incidents` lists all; a scenario file is a path that ends in .toml or .json.",
    ]


@pytest.mark.parametrize("id_", known())
def test_what_is_printed_of_an_incident_can_be_pasted(id_: str) -> None:
    """It is a scenario file that makes the same happen, with comments of at most 80 columns."""
    result = CliRunner().invoke(app, ["incidents", id_])

    assert result.exit_code == 0
    assert f"\n#   fakebatch gauntlet --only {id_} -- " in result.output
    assert read(tomllib.loads(result.output)) == named(id_).with_parameters({})
    prose = re.sub(r"^#   \w+ = .*$", "", result.output.split("# Evidence")[0], flags=re.MULTILINE)
    assert max(map(len, prose.splitlines())) <= 80


def test_the_schema_of_scenarios_is_printed() -> None:
    """As JSON, for editors and validators."""
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == schema()
