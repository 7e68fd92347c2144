"""The commands of `fakebatch`: run, check, incidents, schema."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from fakebatch.cli.run import Batch, Refused, Run
from fakebatch.data_files import jsonl_problem
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.rules import loading
from fakebatch.rules.loading import schema as scenario_schema

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    epilog="Exit status: 0 if all went well, 1 if a file or a batch failed, 2 for wrong arguments.",
)
console = Console(highlight=False, markup=False, soft_wrap=True)
error_console = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)

_SHOWN = 20
"""The number of errors of a batch that are printed."""

InputFile = Annotated[
    str, typer.Argument(metavar="FILE", help="The input file, JSONL; - is standard input.")
]
DialectOption = Annotated[str, typer.Option(help="The provider: a name, or a TOML file.")]
ScenarioOption = Annotated[
    list[str] | None, typer.Option(help="A known incident, or a scenario file; may be repeated.")
]


def _fail(*messages: object) -> NoReturn:
    for message in messages:
        error_console.print(str(message), style="red")
    raise typer.Exit(1)


@contextmanager
def _reported() -> Generator[None]:
    """Turn the errors that a user can cause into messages and exit status 1."""
    try:
        yield
    except FakeBatchError as error:
        _fail(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"fakebatch {version('fakebatch')}")
        raise typer.Exit


@app.callback()
def about(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """The OpenAI Batch API, offline and in virtual time."""


# --- run and check


@app.command()
@_reported()
def run(
    file: InputFile,
    *,
    out: Annotated[
        str | None,
        typer.Option(
            help="Directory for the result files, by default that of the input file. "
            "- prints the result lines, as is the default for standard input and pipes."
        ),
    ] = None,
    dialect: DialectOption = "openai",
    incident: ScenarioOption = None,
    seed: Annotated[
        str, typer.Option(help="Seed of the ids and of the order of result lines.")
    ] = "0",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite existing result files.")
    ] = False,
) -> None:
    """Run the requests of an input file as a batch, and write its output and error files."""
    path = Path(file)
    is_stream = file == "-" or (path.exists() and not path.is_file() and not path.is_dir())
    to_stdout = out == "-" or (out is None and is_stream)
    screen = error_console if to_stdout else console
    stem = "stdin" if file.startswith(("-", "/dev/", "/proc/")) else path.stem
    directory = path.parent if out is None else Path(out)
    paths = {kind: directory / f"{stem}_{kind}.jsonl" for kind in ("output", "errors")}
    existing = [str(path) for path in paths.values() if path.is_symlink() or path.exists()]
    if existing and not force and not to_stdout:
        _fail(f"{' and '.join(existing)} would be overwritten.", "Use --force or another --out.")
    content = _read(file)
    current = Run(seed=seed, dialect=dialect, incident=incident or ())
    created = _start(current, file, content)
    try:
        batch = _watch(screen, current.polls(created))
    except UsageError as error:
        what_came, what_was_known, _ = error.args
        advice = (
            'Give the reply in a scenario file to --incident: [[on]], reply = { answer = "…" }.'
        )
        _fail(UsageError(what_came, what_was_known, advice))
    _report_errors(batch, file, content)
    for kind, key in (("output", "output_file_id"), ("errors", "error_file_id")):
        if batch[key] is None:
            continue
        pieces, total = current.download(batch[key]), batch["request_counts"]["total"]
        if to_stdout:
            _copy(pieces, sys.stdout.buffer, screen, total)
        else:
            directory.mkdir(parents=True, exist_ok=True)
            lines = _write(paths[kind], pieces, screen, total)
            screen.print(f"wrote {paths[kind]} ({lines} lines)")


@app.command()
@_reported()
def check(file: InputFile, dialect: DialectOption = "openai") -> None:
    """Validate an input file as the service does, without running it."""
    content = _read(file)
    current = Run(dialect=dialect)
    created = _start(current, file, content)
    batch = next(b for b in current.polls(created) if b["status"] != "validating")
    _report_errors(batch, file, content)
    console.print(f"{file}: {batch['request_counts']['total']} valid requests")
    raise typer.Exit(1 if batch["errors"] else 0)


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _start(current: Run, file: str, content: bytes) -> Batch:
    try:
        return current.start("stdin" if file == "-" else Path(file).name, content)
    except Refused as refusal:
        problem = jsonl_problem(content)
        _fail(f"{file}: {refusal}", *([f"{file}: {problem}"] if problem else []))


def _report_errors(batch: Batch, file: str, content: bytes) -> None:
    """Print the errors of a batch; if it has failed, exit."""
    found: list[dict[str, Any]] = batch["errors"]["data"] if batch["errors"] else []
    lines: list[bytes] = content.split(b"\n") if found else []
    for error in found[:_SHOWN]:
        number: int | None = error["line"]
        place = f"{file}:{number}" if number else file
        # line ends in front, so that the numbers of lines are those of the file
        problem = jsonl_problem(b"\n" * (number - 1) + lines[number - 1]) if number else ""
        detail = problem and f" ({problem})"
        error_console.print(f"{place}: {error['code']}: {error['message']}{detail}", style="red")
    if len(found) > _SHOWN:
        error_console.print(f"… and {len(found) - _SHOWN} more errors", style="red")
    if batch["status"] == "failed":
        _fail(*([] if found else [f"{file}: the batch failed, without errors"]))


def _bar(screen: Console) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("lines"), TimeElapsedColumn())
    return Progress(TextColumn("{task.description:>11}"), *columns, console=screen)


def _watch(screen: Console, polls: Iterable[Batch]) -> Batch:
    """Show each status and its progress until the end of the batch. Returns the batch."""
    batch, status, task = Batch(), "", TaskID(0)
    with _bar(screen) as progress:
        for batch in polls:
            counts = batch["request_counts"]
            if batch["status"] != status:
                if status:
                    progress.remove_task(task)
                status = str(batch["status"])
                began = batch.get(f"{status}_at") or batch["created_at"]
                elapsed = timedelta(seconds=began - batch["created_at"])
                progress.console.print(f"{elapsed!s:>8}  {status}")
                # the lines are validated, and get their replies, in one poll: a bar without a total
                at_once = status in ("validating", "finalizing")
                total = None if at_once else counts["total"]
                task = progress.add_task(status, total=total)
                progress.refresh()
            progress.update(task, completed=counts["completed"] + counts["failed"])
    return batch


def _write(path: Path, pieces: Iterable[bytes], screen: Console, total: int) -> int:
    """Write a file, which appears when it is complete. Returns the number of its lines."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            lines = _copy(pieces, file, screen, total)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return lines


def _copy(pieces: Iterable[bytes], file: BinaryIO, screen: Console, total: int) -> int:
    """Write pieces of JSONL to an open file. Returns the number of lines."""
    lines = 0
    with _bar(screen) as progress:
        task = progress.add_task("writing", total=total)
        for piece in pieces:
            file.write(piece)
            lines += piece.count(b"\n")
            progress.update(task, completed=lines)
        progress.update(task, total=lines)
    file.flush()
    return lines


# --- incidents and scenarios


@app.command()
@_reported()
def incidents(
    name: Annotated[str | None, typer.Argument(help="The incident to show in full.")] = None,
) -> None:
    """List the known incidents, or show one of them."""
    if name is None:
        for incident in loading.known().values():
            console.print(incident.name, style="bold")
            console.print(_prose(incident.what))
        return
    incident = loading.named(name)
    values = incident.parameters
    scenario = re.sub(r'"\$(\w+)"', lambda match: json.dumps(values[match[1]]), incident.toml)
    parameters = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    sections = {
        "Description": _prose(incident.what, 4),
        "Affected clients": _prose(incident.breaks, 4),
        "Parameters": indent("\n".join(parameters) or "none", "  "),
        "Evidence": indent("\n".join(incident.evidence), "  "),
        "Usage": f'  @pytest.mark.fakebatch(incident="{incident.name}")',
    }
    about = "\n\n".join(f"{heading}\n{text}" for heading, text in sections.items())
    # comments and TOML: the whole is a scenario file
    for line in f"{incident.name}\n\n{about}".split("\n"):
        console.print(f"# {line}".rstrip())
    console.print(f"\n{scenario.rstrip()}")


def _prose(text: str, margin: int = 2) -> str:
    return indent(fill(text, console.width - margin, break_long_words=False), "  ")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors and validators."""
    typer.echo(json.dumps(scenario_schema(), indent=2))
