"""The commands of `fakebatch`: run, incidents, schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated, NoReturn

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
from fakebatch.errors import FakeBatchError
from fakebatch.rules import loading
from fakebatch.rules.loading import schema as scenario_schema

app = typer.Typer(add_completion=False, no_args_is_help=True)
console = Console(highlight=False, markup=False, soft_wrap=True)


def _fail(*messages: object) -> NoReturn:
    for message in messages:
        console.print(str(message), style="red")
    raise typer.Exit(1)


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


# --- run


@app.command()
def run(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The input file, JSONL.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for the result files; by default that of the input file."),
    ] = None,
    seed: Annotated[
        str, typer.Option(help="Seed of the ids and of the order of result lines.")
    ] = "0",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite existing result files.")
    ] = False,
) -> None:
    """Run the requests of an input file as a batch, and write its output and error files."""
    directory = out or file.parent
    paths = {kind: directory / f"{file.stem}_{kind}.jsonl" for kind in ("output", "errors")}
    existing = [str(path) for path in paths.values() if path.is_symlink() or path.exists()]
    if existing and not force:
        _fail(f"{' and '.join(existing)} would be overwritten.", "Use --force or another --out.")
    try:
        current = Run(seed)
        batch = _watch(current, current.start(file.name, file.read_bytes()))
        if batch["errors"]:
            _fail(*(_located(file.name, **error) for error in batch["errors"]["data"]))
        directory.mkdir(parents=True, exist_ok=True)
        for kind, key in (("output", "output_file_id"), ("errors", "error_file_id")):
            if batch[key] is not None:
                total = batch["request_counts"]["total"]
                lines = _write(paths[kind], current.download(batch[key]), total)
                console.print(f"wrote {paths[kind]} ({lines} lines)")
    except Refused as refusal:
        _fail(f"{file}: {refusal}")
    except FakeBatchError as error:
        _fail(error)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")


def _located(filename: str, code: str, message: str, line: int | None, **_: object) -> str:
    place = filename if line is None else f"{filename}:{line}"
    return f"{place}: {code}: {message}"


def _bar() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("lines"), TimeElapsedColumn())
    return Progress(TextColumn("{task.description:>11}"), *columns, console=console)


def _watch(current: Run, created: Batch) -> Batch:
    """Show each status and its progress until the end of the batch. Returns the batch."""
    batch, status, task = created, "", TaskID(0)
    with _bar() as progress:
        for batch in current.polls(created):
            counts = batch["request_counts"]
            if batch["status"] != status:
                if status:
                    progress.remove_task(task)
                status = str(batch["status"])
                began = batch.get(f"{status}_at", batch["created_at"])
                elapsed = timedelta(seconds=began - batch["created_at"])
                progress.console.print(f"{elapsed!s:>8}  {status}")
                # the lines are validated, and get their replies, in one poll: a bar without a total
                at_once = status in ("validating", "finalizing")
                total = None if at_once else counts["total"]
                task = progress.add_task(status, total=total)
                progress.refresh()
            progress.update(task, completed=counts["completed"] + counts["failed"])
    return batch


def _write(path: Path, pieces: Iterable[bytes], total: int) -> int:
    """Write a file piece by piece. Returns the number of its lines."""
    lines = 0
    with path.open("wb") as file, _bar() as progress:
        task = progress.add_task("writing", total=total)
        for piece in pieces:
            file.write(piece)
            lines += piece.count(b"\n")
            progress.update(task, completed=lines)
        progress.update(task, total=lines)
    return lines


# --- incidents and scenarios


@app.command()
def incidents(
    name: Annotated[str | None, typer.Argument(help="The incident to show in full.")] = None,
) -> None:
    """List the known incidents, or show one of them."""
    if name is None:
        for incident in loading.known().values():
            console.print(incident.name, style="bold")
            console.print(_prose(incident.what))
        return
    try:
        incident = loading.named(name)
    except FakeBatchError as error:
        _fail(error)
    values = incident.parameters
    scenario = re.sub(r'"\$(\w+)"', lambda match: json.dumps(values[match[1]]), incident.toml)
    parameters = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    console.print(incident.name, style="bold")
    for heading, text in {
        "Description": _prose(incident.what),
        "Affected clients": _prose(incident.breaks),
        "Parameters": indent("\n".join(parameters) or "none", "  "),
        "Evidence": indent("\n".join(incident.evidence), "  "),
        # to be copied: from the first column on, and complete
        "Usage": f'@pytest.mark.fakebatch(incident="{incident.name}")',
        "Scenario": scenario.rstrip(),
    }.items():
        console.print(f"\n{heading}\n{text}")


def _prose(text: str) -> str:
    return indent(fill(text, console.width - 2, break_long_words=False), "  ")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors and validators."""
    typer.echo(json.dumps(scenario_schema(), indent=2))
