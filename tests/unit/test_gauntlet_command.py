"""`fakebatch gauntlet`: what it gives to a command, what it takes from it, and its exit status."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from fakebatch.cli.commands import app
from fakebatch.cli.gauntlet import Process, Runs, located
from fakebatch.gauntlet.case import Case, cases
from fakebatch.gauntlet.verdicts import Verdict
from fakebatch.server.worlds import Worlds
from support.processes import CLIENT

RUN = """
source, target, state = sys.argv[1:4]
requests = [json.loads(line) for line in open(source, "rb")]

def submitted():
    file = upload(b"".join(json.dumps(each).encode() + b"\\n" for each in requests))
    params = {"input_file_id": file, "completion_window": "24h", "endpoint": requests[0]["url"]}
    return json.loads(call("/batches", json.dumps(params).encode()))

def answers(batch):
    for row in download(ended(batch)).split(b"\\n") if row_count(batch) else ():
        if row:
            line = json.loads(row)
            yield {"custom_id": line["custom_id"], "answer": line["response"]["body"]}

def row_count(batch):
    return ended(batch)["output_file_id"] is not None

def write(results):
    with open(target, "w") as out:
        out.writelines(json.dumps(each) + "\\n" for each in results)
"""
"""What the clients below have in common."""


def gauntlet(code: str, *options: str, state: str = "{state}") -> Result:
    """`fakebatch gauntlet` with code of a client after RUN as the command."""
    command = [sys.executable, "-c", CLIENT + RUN + code, "{input}", "{output}", state]
    return CliRunner().invoke(app, ["gauntlet", *options, "--", *command])


ONLY = ("--only", "results/shuffled-order")


def test_a_client_that_passes() -> None:
    """Request lines in {input}, results in {output}, the server in the environment."""
    result = gauntlet("write(answers(submitted()))", *ONLY)
    assert result.exit_code == 0, result.output
    assert "results/shuffled-order   .     .     .     .      .    pass" in result.stdout
    assert result.stdout.rstrip().endswith("1 pass")


OUTCOMES = {
    "an exit status stands for all requests": (
        "sys.exit('no luck')",
        "given up with exit status 1: no luck.",
    ),
    "no output is no result": ("", "is missing from the results: it was never submitted"),
    "an error is a failure": (
        (
            "batch = submitted(); ended(batch)\n"
            "write({'custom_id': r['custom_id'], 'error': 'lost'} for r in requests)"
        ),
        "was reported as failed (lost), but it was answered in the output file",
    ),
    "a line without custom_id": (
        "write([{'answer': 1}])",
        "an output whose line 1 is no JSON or has no custom_id: 'custom_id'.",
    ),
    "an output that is a directory": (
        "import os; os.mkdir(target)",
        "was given up with an output that cannot be read: Is a directory.",
    ),
    "JSON of too many levels": (
        "open(target, 'w').write('[' * 100_000)",
        "an output whose line 1 is no JSON or has no custom_id: ",  # Pythons differ in their words
    ),
    "bytes that are no text": (
        "open(target, 'wb').write(b'\\xaf\\xfe')",
        "an output whose line 1 is no JSON or has no custom_id: 'utf-8' codec",
    ),
    "half a line": (
        "write(answers(submitted())); out = open(target, 'r+'); out.truncate(out.seek(0, 2) - 50)",
        "an output whose line 10 is no JSON or has no custom_id: Unterminated string",
    ),
    "a custom_id that is a number": (
        "write([{'custom_id': 7, 'answer': 'x'}])",
        "no lie: 7 (int) was reported, but no request has this custom_id.",
    ),
    "two results for an id": (
        "done = list(answers(submitted())); write([*done, done[3]])",
        "was reported 2 times.",
    ),
    "NaN, which is no answer": (
        "write({'custom_id': r['custom_id'], 'answer': float('nan')} for r in requests)",
        "was reported with neither an answer nor an error.",
    ),
    "an exception in a task group": (
        (
            "import asyncio\nasync def fail(): raise LookupError('no luck')\n"
            "async def run():\n  async with asyncio.TaskGroup() as group:\n"
            "    group.create_task(fail()); group.create_task(fail())\nasyncio.run(run())"
        ),
        "given up with exit status 1: LookupError: no luck.",
    ),
    "control characters": (
        "sys.exit('\\0 and \\33[31m')",
        "given up with exit status 1: \\x00 and \\x1b[31m.",
    ),
    "answers before it failed count": (
        "done = list(answers(submitted()))\nwrite(done[1:])\nsys.exit(3)",
        "was given up with exit status 3.",
    ),
}


@pytest.mark.parametrize("sentence", OUTCOMES)
def test_a_client_that_fails(sentence: str) -> None:
    """The exit status is 1, and the first moment at which the client went wrong is printed."""
    code, words = OUTCOMES[sentence]
    result = gauntlet(code, *ONLY)
    assert result.exit_code == 1
    assert words in result.stdout


def test_an_error_that_is_null() -> None:
    """It is none: the answer beside it counts."""
    code = "write({**each, 'error': None} for each in answers(submitted()))"
    assert gauntlet(code, *ONLY).exit_code == 0


def test_how_to_see_it_alone() -> None:
    """The line that is printed runs this case alone."""
    result = gauntlet("", *ONLY)
    assert f"Alone: fakebatch gauntlet --only results/shuffled-order -- {sys.executable} -c" in (
        result.stdout
    )
    assert result.stdout.count("'{input}' '{output}' '{state}'") == 1


def test_a_client_without_end() -> None:
    """A client that still runs after the timeout is killed, and does not terminate."""
    result = gauntlet("import time; time.sleep(600)", *ONLY, "--timeout", "1")
    assert result.exit_code == 1
    assert "terminates: The client still ran after 1 s." in result.stdout


def test_options_of_the_line_that_runs_it_alone() -> None:
    """It has the options without which the case would not fail."""
    code = "write(answers(submitted()))"
    result = gauntlet(code, *ONLY, "--leftovers", "--strict", "--timeout", "50")
    assert result.exit_code == 1
    alone = f"--only results/shuffled-order --timeout=50 --leftovers --strict -- {sys.executable}"
    assert alone in result.stdout


CHILD = """
import subprocess
pipe = open(state, "wb")  # a lock on a file tells whether anybody who inherited it is alive
import fcntl; fcntl.flock(pipe, fcntl.LOCK_EX)
subprocess.Popen(["sleep", "600"], pass_fds=[pipe.fileno()])
"""


@contextmanager
def no_process_behind(tmp_path: Path) -> Generator[str]:
    """A path of which a process that runs CHILD, and its child, hold a lock while they live."""
    fcntl = pytest.importorskip("fcntl", reason="Windows has no process groups")
    lock = tmp_path / "lock"
    yield str(lock)
    until = time.monotonic() + 10  # who is killed dies a little later
    with lock.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < until, "a process is still there"


def test_a_client_that_leaves_a_process_behind(tmp_path: Path) -> None:
    """What a client has started ends with its case."""
    with no_process_behind(tmp_path) as lock:
        assert gauntlet(f"{CHILD}write(answers(submitted()))", *ONLY, state=lock).exit_code == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run(tmp_path: Path, name: str) -> None:
    """A run that is interrupted ends at once, and its clients, in sessions of their own, too."""
    code = f"{CHILD}import os, signal, time; os.kill(os.getppid(), signal.{name}); time.sleep(600)"
    with no_process_behind(tmp_path) as lock:
        began = time.monotonic()
        assert gauntlet(code, *ONLY, state=lock).exit_code in (130, 143, 129)
        assert time.monotonic() - began < 30


def test_clients_that_end_while_others_are_killed(tmp_path: Path) -> None:
    """A run that is interrupted kills every client, whichever of them leave its list meanwhile."""
    killed: list[str] = []

    class Ending(Process):
        def kill(self) -> None:
            killed.append(self.folder.name)
            self.runs.processes.remove(self)  # as its thread does once it has ended

    runs = Runs([], "", Worlds(), tmp_path, timeout=1, is_shown=False)
    runs.processes.extend(Ending(runs, tmp_path / name) for name in "abcd")

    def interrupted(_: Case) -> Verdict:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        runs.each(interrupted, cases(ONLY[1]), jobs=1)
    assert killed == [*"abcd"]


def test_no_command() -> None:
    """The list of the incidents needs none, a run does, and says so."""
    assert CliRunner().invoke(app, ["gauntlet", *ONLY, "--dryrun"]).exit_code == 0
    result = CliRunner().invoke(app, ["gauntlet", *ONLY])
    assert result.exit_code == 1
    assert "Write for example fakebatch gauntlet -- python my_client.py" in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0"])
def test_a_timeout_that_is_no_time(value: str) -> None:
    """It is told before any client runs: what came, what the option is, what to write."""
    result = CliRunner().invoke(app, ["gauntlet", *ONLY, f"--timeout={value}", "--", "true"])
    assert result.exit_code == 1
    assert result.stderr.split("\n") == [
        f"fakebatch: --timeout {value} cannot be used.",
        "It is how many real seconds a client may take: a number that is more than 0.",
        "Write for example --timeout 60.",
        "",
    ]


def test_a_command_that_does_not_exist() -> None:
    """The run ends, and names it."""
    result = CliRunner().invoke(app, ["gauntlet", *ONLY, "--", "no-such-client"])
    assert result.exit_code == 1
    assert "no-such-client: No such file or directory" in result.stderr


def test_junit_of_control_characters() -> None:
    """Whatever a client prints, the XML can be read."""
    code = r"sys.exit('\0\ufffe\33[31m')"
    suite = ET.fromstring(gauntlet(code, *ONLY, "--format", "junit").stdout)  # noqa: S314
    assert r"\x00\ufffe\x1b[31m" in (suite[0][0].text or "")


def test_polls_without_end() -> None:
    """A client that polls a stuck batch three hundred times in vain has no deadline."""
    code = "batch = submitted()\nwhile True: call('/batches/' + batch['id'])"
    result = gauntlet(code, "--only", "stuck-in-progress")
    assert result.exit_code == 1
    assert "terminates: This wait never ends." in result.stdout


RESUMING = """
import pathlib
id_ = pathlib.Path(state, "id")
if id_.exists():
    batch = {"id": id_.read_text(), "status": ""}
    batch = json.loads(call("/batches/" + batch["id"]))
else:
    batch = submitted()
    id_.write_text(batch["id"])
print("started", file=open(pathlib.Path(state, "starts"), "a"))
write(answers(batch))
"""


def test_a_client_that_is_killed(tmp_path: Path) -> None:
    """In the group `resume` it is killed and started again; {state} is still there."""
    result = gauntlet(RESUMING, "--only", "restart-resubmits")
    assert result.exit_code == 0, result.output
    forgetful = gauntlet(RESUMING, "--only", "restart-resubmits", state=str(tmp_path / "none"))
    assert forgetful.exit_code == 1  # its directory does not exist


def test_a_working_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is empty, is {state}, and is still there when a client that was killed is started again.

    The caller's is left as it was. The program and the files of the command are found all the same.
    """
    monkeypatch.chdir(tmp_path)
    where = 'assert os.getcwd() == os.path.realpath(sys.argv[4]), os.listdir("..")'
    Path("client.py").write_text(f"{CLIENT}{RUN}\nimport os\n{where}\n{RESUMING}", "utf-8")
    python = os.path.relpath(sys.executable)
    words = [python, "client.py", "{input}", "{output}", ".", "{state}"]
    only = ("--only", "restart-resubmits", "--only", "shuffled-order")
    result = CliRunner().invoke(app, ["gauntlet", *only, "--", *words])
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith("2 pass")
    assert [each.name for each in tmp_path.iterdir()] == ["client.py"]


LOCATED = {
    # a word of the command, and whether it is a path that is made absolute
    "a file": ("client.py", True),
    "a file in a directory": ("folder/client.py", True),
    "a directory with a slash": ("./folder", True),
    "a directory without one: python -m folder": ("folder", False),
    "what does not exist": ("./none", False),
    "a word": ("run", False),
    "code, too long for the name of a file": ("import sys\n" * 1000, False),
    "a placeholder": ("{input}", False),
}


@pytest.mark.parametrize("sentence", LOCATED)
def test_what_is_a_path(sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are relative paths of the caller stay right in the directory of the case."""
    word, is_path = LOCATED[sentence]
    (tmp_path / "folder").mkdir()
    for name in ("client.py", "folder/client.py"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert located(word) == (str(tmp_path / word) if is_path else word)


def test_a_client_that_forgets() -> None:
    """A client that submits again after it was killed pays twice."""
    result = gauntlet("write(answers(submitted()))", "--only", "restart-resubmits")
    assert result.exit_code == 1
    assert "20 lines ran in 2 batches" in result.stdout


def test_known_failures(tmp_path: Path) -> None:
    """A known failure does not fail the run, a mended one does, and some are not run."""
    known = tmp_path / "known.toml"
    known.write_text('[fails]\n"results/shuffled-order" = "12"\n[not_run]\n"webhook/*" = "README"')
    run = "write(answers(submitted()))"
    assert gauntlet("", *ONLY, "--only", "webhook", "--known", str(known)).exit_code == 0
    mended = gauntlet(run, *ONLY, "--known", str(known))
    assert mended.exit_code == 1
    assert "pass, but still listed as a known failure (12)." in mended.stdout


def test_formats() -> None:
    """JSON and JUnit XML on the standard output, and nothing else there."""
    options = ("--only", "results/shuffled-order", "--only", "stuck-finalizing", "--jobs", "2")
    code = "write(answers(submitted()))"
    data = json.loads(gauntlet(code, *options, "--format", "json").stdout)
    assert [each["outcome"] for each in data["cases"]] == ["pass", "pass"]
    suite = ET.fromstring(gauntlet(code, *options, "--format", "junit").stdout)  # noqa: S314
    assert [case.attrib["classname"] for case in suite] == ["wait", "results"]


def test_a_dry_run() -> None:
    """It lists the incidents, and where the client is killed; nothing runs."""
    result = gauntlet("", "--only", "resume", "--dryrun")
    assert result.exit_code == 0
    assert "resume/restart-resubmits: 10 requests, killed after batches.create" in result.stdout


@pytest.mark.parametrize("shard", ["0/2", "3/2", "x", "1"])
def test_a_shard_that_is_none(shard: str) -> None:
    """--shard takes a part and a count."""
    result = gauntlet("", "--shard", shard)
    assert result.exit_code == 1
    assert "is no part of the incidents" in result.stderr
