"""`fakebatch gauntlet`: runs a command, in any language, through the known incidents."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import IO, Annotated, Any, NoReturn

import typer

from fakebatch.cli.children import environment
from fakebatch.cli.screen import console, error_console, finite, handling, reported
from fakebatch.cli.serve import answering
from fakebatch.errors import UsageError
from fakebatch.gauntlet.card import Card
from fakebatch.gauntlet.case import Case, cases
from fakebatch.gauntlet.known import known_failures
from fakebatch.gauntlet.report import Report
from fakebatch.gauntlet.verdicts import Verdict
from fakebatch.server import trials
from fakebatch.server.handler import Handler
from fakebatch.server.worlds import Worlds

STYLES = {"fail": "red", "unclean": "yellow", "info": "cyan", "pass": "green", "not run": "dim"}

TIMEOUT = 60

MISSING = """\
fakebatch: The gauntlet runs commands against a server, which needs h11. It is not installed.
fakebatch.run_gauntlet works without it.
Run: pip install 'fakebatch[server]'"""


class Format(StrEnum):
    """How the verdicts are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


@reported()
def gauntlet(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="The client; {input}, {output} and {state} in it stand for paths.",
        ),
    ] = None,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(help="An incident, a group or a glob: results/*; may be repeated."),
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="A TOML file of known failures, with a reason for each.")
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="N/COUNT", help="A part of the incidents: 1/4.")
    ] = "1/1",
    timeout: Annotated[
        float, typer.Option(help="How many real seconds a client may take in one case.")
    ] = TIMEOUT,
    jobs: Annotated[int, typer.Option(min=1, help="How many clients run at the same time.")] = 1,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="A client that leaves files behind is unclean.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="unclean and info are failures too.")
    ] = False,
    dryrun: Annotated[
        bool, typer.Option("--dryrun", help="List the incidents, and run nothing.")
    ] = False,
    format_: Annotated[
        Format, typer.Option("--format", help="How to print the verdicts.")
    ] = Format.TEXT,
) -> None:
    """Run a client through the known incidents: `fakebatch gauntlet -- my_client {input} {output}`.

    The client gets request lines as JSONL in {input}, and OPENAI_BASE_URL and OPENAI_API_KEY. It
    writes one JSON object per request to {output}: {"custom_id": …, "answer": …} with the text or
    the response body, or {"custom_id": …, "error": "…"}. Other exit statuses than 0 stand for all
    requests that it does not report. It runs in a directory of its own, {state}, which is still
    there when a client that was killed is started again. Relative paths in COMMAND hold there too.
    """
    finite(timeout, f"--timeout {TIMEOUT}", "is how many real seconds a client may take")
    failures = known_failures(known)
    chosen = cases(tuple(only or ()), _shard(shard))
    if dryrun:
        for case in chosen:
            kill = f", killed after {', '.join(case.kills)}" if case.kills else ""
            console.print(f"{case.id}: {len(case.requests)} requests{kill}")
        return
    if not command:
        raise UsageError(
            "There is no client to run.",
            "The gauntlet runs a command through the incidents.",
            "Write for example fakebatch gauntlet -- python my_client.py {input} {output}.",
        )
    worlds = Worlds()
    with (
        handling(("SIGINT", "SIGTERM", "SIGHUP"), _end),
        answering(Handler(worlds), MISSING, silence_seconds=1, time_scale=0.001) as url,
        TemporaryDirectory(prefix="gauntlet-") as folder,
    ):
        run = Runs(command, url, worlds, Path(folder), timeout, is_shown=len(chosen) == 1)

        def verdict(case: Case) -> Verdict:
            why = failures.skipped(case.id)
            if why is not None:
                return Verdict(case.id, "not run", reason=why)
            made = run.verdict(case, leftovers=leftovers)
            error_console.print(f"{made.id}: {made.outcome}", style=STYLES[made.outcome])
            return made

        verdicts = run.each(verdict, chosen, jobs)
    options = [f"--timeout={timeout:g}"] if timeout != TIMEOUT else []
    options += [name for name, on in {"--leftovers": leftovers, "--strict": strict}.items() if on]
    alone = ["fakebatch", "gauntlet", "--only", "ID", *options, "--", *command]
    template = shlex.join(alone).replace("{", "{{").replace("}", "}}").replace("ID", "{id}", 1)
    card = Card(tuple(verdicts), failures, strict, template)
    _print(card, format_)
    if card.problems:
        raise typer.Exit(1)


def _print(card: Card, format_: Format) -> None:
    match format_:
        case Format.JSON:
            typer.echo(card.as_json())
        case Format.JUNIT:
            typer.echo(card.junit())
        case Format.TEXT:
            for row, outcome in card.rows():
                console.print(row, style=STYLES.get(outcome, "bold"))
            console.print("", card.after_matrix(), sep="\n")


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise UsageError(
        f"--shard {text} is no part of the incidents.",
        "It takes the number of the part, from 1, and how many there are.",
        "Write for example --shard 1/4.",
    )


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs a command through cases."""

    command: Sequence[str]
    url: str
    worlds: Worlds
    folder: Path
    """Where the files of the cases are."""
    timeout: float
    is_shown: bool
    """Whether to show what the command printed."""
    processes: list[Process] = field(default_factory=list["Process"], init=False)
    stopped: Event = field(default_factory=Event, init=False)

    def each(
        self, verdict: Callable[[Case], Verdict], chosen: Sequence[Case], jobs: int
    ) -> list[Verdict]:
        """The verdicts, by `jobs` threads. If that is interrupted, no process stays behind."""
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(verdict, case) for case in chosen]
            try:
                # the system may give a signal to another thread, which does not end a longer wait
                while not all(future.done() for future in futures):
                    for future in wait(futures, 0.5, FIRST_EXCEPTION).done:
                        future.result()
                return [future.result() for future in futures]
            except BaseException:  # also Ctrl-C, which clients in sessions of their own do not see
                pool.shutdown(wait=False, cancel_futures=True)
                self.stopped.set()
                for process in [*self.processes]:  # each leaves it once it has ended
                    process.kill()
                raise

    def verdict(self, case: Case, *, leftovers: bool) -> Verdict:
        """Run the command through one case, in a world of its own."""
        name = case.id.replace("/", ".")
        process = Process(self, self.folder / name)
        trial = trials.open_trial(self.worlds, case, name, process.kill)
        self.processes.append(process)
        try:
            return trial.verdict(process.run(trial), leftovers=leftovers)
        finally:
            process.kill()  # what it has left running
            self.processes.remove(process)
            self.worlds.remove(name)


@dataclass(slots=True)
class Process:
    """The command in one case: a process, or several if it is killed and started again."""

    runs: Runs
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def kill(self) -> None:
        """Kill the process and its children."""
        if self._process is not None:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()

    def run(self, trial: trials.Trial) -> Report:
        """Run it until it ends without having been killed. Returns what it says that it got."""
        # the service looks at the name of an upload
        names = {"input": "input.jsonl", "output": "output.jsonl", "state": "state", "log": "log"}
        paths = {name: self.folder / file for name, file in names.items()}
        paths["state"].mkdir(parents=True)
        paths["input"].write_text(trial.case.jsonl)
        until = time.monotonic() + self.runs.timeout
        while True:
            paths["output"].unlink(missing_ok=True)
            with paths["log"].open("wb") as log:
                self._process = self._started(trial, paths, log)
                if self.runs.stopped.is_set():
                    self.kill()
                try:
                    status = self._process.wait(max(until - time.monotonic(), 0))
                except subprocess.TimeoutExpired:
                    self.kill()
                    status = self._process.wait()
                    trial.watch.endless = (
                        f"The client still ran after {self.runs.timeout:g} s.",
                        trial.watch.last_call,
                        "End each loop at a deadline, or give it more time: --timeout.",
                    )
            if self.runs.stopped.is_set():
                raise CancelledError
            if self.runs.is_shown:
                error_console.print(paths["log"].read_text("utf-8", "replace"), end="")
            if trial.watch.endless or not trial.watch.is_dead:
                return _report(status, paths["output"], paths["log"])
            trial.watch.revive()

    def _started(
        self, trial: trials.Trial, paths: Mapping[str, Path], log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        name, *arguments = self.runs.command
        program = shutil.which(name) or name  # Windows finds npm.cmd only so
        words = map(located, [program, *arguments])
        return subprocess.Popen(  # noqa: S603  # the user's own
            [_PLACE.sub(lambda match: str(paths[match[1]]), word) for word in words],
            cwd=paths["state"],
            env=environment(trial.world.env(self.runs.url), self.runs.url),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def located(word: str) -> str:
    """A word that names a file of the caller, as a path that holds in any directory.

    A directory needs a slash: the word after `python -m` may be the name of one, too.
    """
    # code after -c is too long for a name: os.path says no, where Path raises
    has_slash = "/" in word or os.sep in word
    is_path = os.path.isfile(word) or (has_slash and os.path.exists(word))  # noqa: PTH110, PTH113
    return str(Path(word).absolute()) if is_path else word


_PLACE = re.compile(r"\{(input|output|state)\}")
_BESIDE = re.compile(r"^[ |]*(\| |\+-[-+]*)")
"""The lines that Python draws beside the exceptions of a task group."""
_EXCEPTION = re.compile(r"(Uncaught )?[\w.]*(Error|Exception)\b")


def _report(status: int, output: Path, log: Path) -> Report:
    """What a client wrote; of one that gave up also its exception, or the last line of its log."""
    raised, results = None, list[dict[str, Any]]()
    if status:
        lines = log.read_text("utf-8", "replace").split("\n")
        bare = (_BESIDE.sub("", line).strip() for line in reversed(lines))
        printed = [line for line in bare if line]
        # Node prints the stack and its version after the message, pydantic what was wrong
        exceptions = (line for line in printed if _EXCEPTION.match(line))
        last = next(exceptions, printed[0] if printed else "")
        raised = f"exit status {status}" + (f": {last[:300]}" if last else "")
    try:
        content = output.read_bytes() if output.exists() else b""
    except OSError as error:
        content, raised = b"", raised or f"an output that cannot be read: {error.strerror}"
    for number, row in enumerate(content.split(b"\n"), 1):
        if not row.strip():
            continue
        try:
            result = json.loads(row)
            results.append({**result, "custom_id": result["custom_id"]})
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raised = (
                raised or f"an output whose line {number} is no JSON or has no custom_id: {error}"
            )
    return trials.reported(results, raised)
