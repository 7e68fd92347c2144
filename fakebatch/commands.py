"""`fakebatch run`: takes an input file through the whole life of a batch, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated

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

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.batch.output_file import Content
from fakebatch.dialects import OPENAI, APIError
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.rules import catalogue
from fakebatch.rules.loading import schema as schema_of_scenarios
from fakebatch.service import Service
from fakebatch.service.view import Wire
from fakebatch.vtime.moments import DEFAULT_START

POLLS_EVERY = 60 * SECOND

commands = typer.Typer(add_completion=False, no_args_is_help=True)
console = Console(highlight=False)


@commands.callback()
def about() -> None:
    """The OpenAI Batch API, offline and in virtual time."""


class Run:
    """One batch in an emulated service whose clock only we move."""

    def __init__(self, seed: str) -> None:
        self.now = DEFAULT_START
        self.service = Service(OPENAI, seed=seed.encode())

    def start(self, filename: str, content: bytes) -> Wire:
        """Upload the file and create the batch its first line is for."""
        create = self.service.files.create
        uploaded = create(self.now, purpose="batch", filename=filename, content=content)
        params = BatchCreateParams(_endpoint(content), "24h", uploaded["id"])
        return self.service.batches.create(params, self.now)

    def polls(self, batch: Wire) -> Iterator[Wire]:
        """The batch as a client sees it that asks each minute, until its end."""
        while batch["status"] not in TERMINAL:
            yield batch
            self.now += POLLS_EVERY
            batch = self.service.batches.retrieve(batch["id"], self.now)
        yield batch


@commands.command()
def run(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The input file.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the result files.")] = None,
    seed: Annotated[str, typer.Option(help="Decides ids and the order of lines.")] = "0",
) -> None:
    """Take a batch input file through its whole life; write its output and error file."""
    current = Run(seed)
    try:
        created = current.start(file.name, file.read_bytes())
    except APIError as refusal:
        words = OPENAI.errors[refusal.kind]
        console.print(
            f"{file}: {words.message_for(refusal.facts)}", style="red", markup=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    batch = _watched(current, created)
    if batch["errors"]:
        _report(file, batch)
        raise typer.Exit(1)
    _write(current, batch, file, out or file.parent)


DOING = {"validating": "validating", "in_progress": "running", "finalizing": "answering"}
"""What the bar says while the next poll is on its way, which does the work of a status."""


def _bar() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("lines"), TimeElapsedColumn())
    return Progress(TextColumn("{task.description:>10}"), *columns, console=console)


def _watched(current: Run, created: Wire) -> Wire:
    batch, status, task = created, "", TaskID(0)
    with _bar() as progress:
        for batch in current.polls(created):
            if batch["status"] != status:
                if status:
                    progress.remove_task(task)
                status = batch["status"]
                progress.console.print(f"{_elapsed(batch)!s:>8}  {status}")
                task = _doing(progress, batch)
            counts = batch["request_counts"]
            progress.update(task, completed=counts["completed"] + counts["failed"])
    return batch


def _doing(progress: Progress, batch: Wire) -> TaskID:
    status = str(batch["status"])
    doing = DOING.get(status, status)
    # all lines are validated, and answered, at once: a bar without a total moves to and fro
    total = None if doing in ("validating", "answering") else batch["request_counts"]["total"]
    task = progress.add_task(doing, total=total)
    progress.refresh()
    return task


def _elapsed(batch: Wire) -> timedelta:
    """How far into its life a batch began its present status."""
    began = batch.get(f"{batch['status']}_at", batch["created_at"])
    return timedelta(seconds=began - batch["created_at"])


def _report(file: Path, batch: Wire) -> None:
    for entry in batch["errors"]["data"]:
        place = file.name if entry["line"] is None else f"{file.name}:{entry['line']}"
        console.print(
            f"{place}: {entry['code']}: {entry['message']}",
            style="red",
            markup=False,
            soft_wrap=True,
        )


def _write(current: Run, batch: Wire, file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    current.service.state.settle(current.now)
    for key, name in (("output_file_id", "output"), ("error_file_id", "errors")):
        if batch[key] is not None:
            path = folder / f"{file.stem}_{name}.jsonl"
            _, content = current.service.files.content(batch[key], current.now)
            lines = _written(path, content, batch["request_counts"]["total"])
            console.print(f"wrote {path} ({lines} lines)", markup=False, soft_wrap=True)


def _written(path: Path, content: Content, most: int) -> int:
    """Write a file, which may be made while it is written; the number of its lines."""
    lines = 0
    with path.open("wb") as file, _bar() as progress:
        task = progress.add_task("writing", total=most)
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
            lines += piece.count(b"\n")
            progress.update(task, completed=lines)
        progress.update(task, total=lines)
    return lines


def _endpoint(content: bytes) -> str:
    first = parsed_object(content.partition(b"\n")[0]) or {}
    return str(first.get("url"))


@commands.command()
def incidents(
    name: Annotated[str | None, typer.Argument(help="All about one of them.")] = None,
) -> None:
    """List the incidents that can be made to happen by name."""
    if name is None:
        for one in catalogue.known().values():
            console.print(one.name, style="bold", markup=False)
            _indented(_prose(one.what))
        return
    try:
        _tell(catalogue.named(name))
    except UsageError as misuse:
        console.print(str(misuse), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _tell(one: catalogue.Known) -> None:
    console.print(one.name, style="bold", markup=False)
    parameters = (f"{name} = {json.dumps(usual)}" for name, usual in one.parameters.items())
    for head, text in {
        "What comes": _prose(one.what),
        "Whom it breaks": _prose(one.breaks),
        "Parameters, and what they usually are": "\n".join(parameters) or "none",
        "Where it happened": "\n".join(one.evidence),
        "To have it": f'@pytest.mark.fakebatch(incident="{one.name}")',
        "As a scenario": one.toml.rstrip(),
    }.items():
        console.print(f"\n{head}")
        _indented(text)


def _prose(text: str) -> str:
    return fill(text, console.width - 2, break_long_words=False)


def _indented(text: str) -> None:
    console.print(indent(text, "  "), markup=False, soft_wrap=True)


@commands.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors and validators."""
    typer.echo(json.dumps(schema_of_scenarios(), indent=2))
