"""`fakebatch run`: takes an input file through the whole life of a batch, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated
from urllib.parse import urlsplit

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

from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.durations import SECOND
from fakebatch.emulator import Emulator
from fakebatch.errors import UsageError
from fakebatch.rules import loading
from fakebatch.service.view import Wire
from fakebatch.vtime.moments import DEFAULT_START
from fakebatch.wire import Reply, Request

POLLS_EVERY = 60 * SECOND

commands = typer.Typer(add_completion=False, no_args_is_help=True)
console = Console(highlight=False)


@commands.callback()
def about() -> None:
    """The OpenAI Batch API, offline and in virtual time."""


class Run:
    """One batch in an emulator whose clock only we move."""

    def __init__(self, seed: str) -> None:
        self.now = DEFAULT_START
        self._emulator = Emulator(clock=lambda: self.now, seed=seed)
        self._base = urlsplit(self._emulator.base_url)

    def start(self, filename: str, content: bytes) -> Wire:
        """Upload the file and create the batch its first line is for.

        Raises:
            Refused: the service takes one of them for none.
        """
        boundary = b"--fakebatch"
        field = b'Content-Disposition: form-data; name="%b"\r\n\r\n'
        purpose = (boundary + b"\r\n", field % b"purpose", b"batch", b"\r\n")
        head = field % (b'file"; filename="%b' % filename.encode())
        form = (*purpose, boundary + b"\r\n", head, content, b"\r\n", boundary + b"--\r\n")
        uploaded = self._call("POST", "/files", "multipart/form-data; boundary=fakebatch", form)
        first = parsed_object(content.partition(b"\n")[0]) or {}
        params = {
            "input_file_id": json.loads(uploaded.body)["id"],
            "endpoint": str(first.get("url")),
            "completion_window": "24h",
        }
        created = self._call("POST", "/batches", "application/json", [json.dumps(params).encode()])
        batch: Wire = json.loads(created.body)
        return batch

    def polls(self, batch: Wire) -> Iterator[Wire]:
        """The batch as a client sees it that polls each minute, until its end."""
        while batch["status"] not in TERMINAL:
            yield batch
            self.now += POLLS_EVERY
            batch = json.loads(self._call("GET", f"/batches/{batch['id']}").body)
        yield batch

    def download(self, file_id: str) -> Iterable[bytes]:
        """The pieces of a file, which may be made while they are read."""
        reply = self._call("GET", f"/files/{file_id}/content")
        return [reply.body] if reply.pieces is None else reply.pieces

    def _call(
        self, method: str, path: str, content_type: str = "", body: Sequence[bytes] = ()
    ) -> Reply:
        is_form = content_type.startswith("multipart/")
        reply = self._emulator.handle(
            Request(
                method,
                self._base.path + path,
                {},
                {"authorization": "Bearer sk-fakebatch", "content-type": content_type},
                b"" if is_form else b"".join(body),
                pieces=body if is_form else None,
                host=str(self._base.hostname),
            )
        )
        if reply.status >= 400:
            raise Refused(json.loads(reply.body)["error"]["message"])
        return reply


class Refused(Exception):
    """What the service says of a call that it refuses."""


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
    except Refused as refusal:
        console.print(f"{file}: {refusal}", style="red", markup=False, soft_wrap=True)
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
    for key, name in (("output_file_id", "output"), ("error_file_id", "errors")):
        if batch[key] is not None:
            path = folder / f"{file.stem}_{name}.jsonl"
            lines = _written(path, current.download(batch[key]), batch["request_counts"]["total"])
            console.print(f"wrote {path} ({lines} lines)", markup=False, soft_wrap=True)


def _written(path: Path, pieces: Iterable[bytes], most: int) -> int:
    """Write a file piece by piece; the number of its lines."""
    lines = 0
    with path.open("wb") as file, _bar() as progress:
        task = progress.add_task("writing", total=most)
        for piece in pieces:
            file.write(piece)
            lines += piece.count(b"\n")
            progress.update(task, completed=lines)
        progress.update(task, total=lines)
    return lines


@commands.command()
def incidents(
    name: Annotated[str | None, typer.Argument(help="All about one of them.")] = None,
) -> None:
    """List the incidents that can be made to happen by name."""
    if name is None:
        for one in loading.known().values():
            console.print(one.name, style="bold", markup=False)
            _indented(_prose(one.what))
        return
    try:
        _tell(loading.named(name))
    except UsageError as misuse:
        console.print(str(misuse), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _tell(one: loading.Known) -> None:
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
    typer.echo(json.dumps(loading.schema(), indent=2))
