"""The command `fakebatch`, and its subcommands `run`, `dialects` and `schema`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, BinaryIO

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

from fakebatch.cli import serve
from fakebatch.cli.check import check, problems_of, show
from fakebatch.cli.gauntlet import gauntlet
from fakebatch.cli.incidents import incidents
from fakebatch.cli.run import Batch, Refused, Run
from fakebatch.cli.screen import (
    DialectOption,
    IncidentOption,
    ScenarioOption,
    complete,
    console,
    error_console,
    fail,
    prose,
    read,
    reported,
)
from fakebatch.data_files import jsonl_problem
from fakebatch.dialects import DIALECTS, choose
from fakebatch.errors import UsageError
from fakebatch.rules.loading import schema as scenario_schema

app = typer.Typer(
    no_args_is_help=True,
    epilog="Exit status: 0 if all went well, 1 if a file or a batch failed, 2 for wrong arguments.",
)
app.command()(check)
app.command()(incidents)
for _command in (serve.serve, serve.exec_, gauntlet):
    app.command(_command.__name__.rstrip("_"), context_settings=serve.SETTINGS)(_command)

InputFile = Annotated[
    str, typer.Argument(metavar="FILE", help="The input file, JSONL; - is standard input.")
]


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
@reported()
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
    incident: IncidentOption = None,
    scenario: ScenarioOption = None,
    seed: Annotated[
        str, typer.Option(help="Seed of the ids and of the order of result lines.")
    ] = "0",
    force: Annotated[bool, typer.Option("--force", help="Replace existing result files.")] = False,
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
        fail(f"{' and '.join(existing)} would be overwritten.", "Use --force or another --out.")
    content = read(file)
    current = Run(seed=seed, dialect=dialect, incident=[*(incident or ()), *(scenario or ())])
    try:
        created = current.start(file, content, current.endpoint(content))
    except Refused as refusal:
        problem = jsonl_problem(content)
        fail(f"{file}: {refusal}", *([f"{file}: {problem}"] if problem else []))
    try:
        batch = _watch(screen, current.polls(created))
    except UsageError as error:
        what_came, what_was_known, _ = error.args
        advice = (
            'Give the reply in a scenario file to --scenario: [[on]], reply = { answer = "…" }.'
        )
        fail(UsageError(what_came, what_was_known, advice))
    problems = problems_of(batch["errors"]["data"] if batch["errors"] else [], content)
    show(file, problems)
    if batch["status"] == "failed":
        fail(*([] if problems else [f"{file}: the batch failed, without errors"]))
    outdated = set[Path]() if to_stdout else {*paths.values()}
    for kind, key in (("output", "output_file_id"), ("errors", "error_file_id")):
        if batch[key] is None:
            continue
        pieces, total = current.download(batch[key]), batch["request_counts"]["total"]
        if to_stdout:
            _copy(pieces, sys.stdout.buffer, screen, total)
        else:
            directory.mkdir(parents=True, exist_ok=True)
            with complete(paths[kind]) as part, part.open("wb") as part_file:
                lines = _copy(pieces, part_file, screen, total)
            outdated.remove(paths[kind])
            screen.print(f"wrote {paths[kind]} ({lines} lines)")
    for each in sorted(outdated):
        if each.is_symlink() or each.exists():
            each.unlink()
            screen.print(f"removed {each}, which was there before this run")


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


# --- dialects and scenarios


@app.command()
@reported()
def dialects(
    name: Annotated[str | None, typer.Argument(help="The dialect to show in full.")] = None,
) -> None:
    """List the providers that are emulated, or show what is known of one of them."""
    if name is None:
        for each in DIALECTS.values():
            console.print(f"{each.name:<14}{each.title:<26}{each.base_urls[0]}".rstrip())
        return
    dialect = choose(name)
    console.print(dialect.title, style="bold")
    for url in dialect.base_urls:
        console.print(f"  {url}")
    for fact in dialect.facts:
        console.print(f"\n{prose(fact.what)}")
        console.print(f"  {fact.evidence}: {fact.source}")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors and validators."""
    typer.echo(json.dumps(scenario_schema(), indent=2))
