"""`fakebatch check`: what a provider objects to in input files, line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fakebatch.batch.input_file import validate
from fakebatch.cli.run import Refused, Run
from fakebatch.cli.screen import DialectOption, console, error_console, read, reason, reported
from fakebatch.data_files import jsonl_problem
from fakebatch.errors import UsageError
from fakebatch.service.view import entry

SHOWN = 20
"""How many problems of a file are printed, except as JSON."""

_ESCAPES = {ord(char): f"%{ord(char):02X}" for char in "%\r\n"}
_ESCAPES_IN_PROPERTIES = {**_ESCAPES, ord(":"): "%3A", ord(","): "%2C"}


class Format(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a provider objects to in an input file."""

    line: int | None
    """The number of the line, from 1; None: it is about the file."""
    code: str
    message: str
    """In the words of the provider."""
    param: str | None = None
    """The part of the line: `body.messages`."""
    detail: str = ""
    """What is wrong with the data, and what to do about it; empty if the message says it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was found in a file."""

    file: str
    endpoint: str
    requests: int
    """How many requests the provider would run with success."""
    problems: tuple[Problem, ...] = ()


@reported()
def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Input files, JSONL; - is standard input.")
    ],
    *,
    dialect: DialectOption = "openai",
    endpoint: Annotated[
        str | None,
        typer.Option(help="The endpoint of the batch, by default that of the first line."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="github: annotations of a workflow.")
    ] = Format.TEXT,
) -> None:
    """Validate input files as the service does, without running them."""
    run = Run(dialect=dialect)
    if endpoint is not None and endpoint not in run.dialect.endpoints:
        raise UsageError(
            f"--endpoint {endpoint} is none of {run.dialect.title}.",
            f"It serves {', '.join(run.dialect.endpoints)}.",
            "Use one of these, or another --dialect.",
        )
    results = list[Result]()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # before 14.3 rich ends a bar that is disabled with a line feed
    screen = error_console if error_console.is_terminal else Console(quiet=True)
    # the bar has no total: a file is judged in one go
    with Progress(*columns, console=screen, transient=True) as progress:
        for file in files:
            task = progress.add_task(f"checking {file}", total=None)
            results.append(judge(run, file, endpoint))
            progress.remove_task(task)
    if form is Format.JSON:
        typer.echo(json.dumps({"files": [asdict(result) for result in results]}, indent=2))
    else:
        for result in results:
            show(result.file, result.problems, form)
            if result.requests or not result.problems:
                console.print(f"{result.file}: {result.requests} valid requests")
    raise typer.Exit(1 if any(result.problems for result in results) else 0)


def judge(run: Run, file: str, endpoint: str | None) -> Result:
    """What a provider objects to in a file: at its upload, before the batch runs, or as it runs."""
    try:
        content = read(file)
    except OSError as error:
        return Result(file, "", 0, (Problem(None, "unreadable", reason(error)),))
    endpoint = endpoint or run.endpoint(content)
    try:
        run.start(file, content, endpoint)
    except Refused as refusal:
        detail = jsonl_problem(content)
        return Result(file, endpoint, 0, (Problem(None, "refused", str(refusal), detail=detail),))
    except UsageError as error:
        return Result(file, endpoint, 0, (Problem(None, "unknown_endpoint", str(error)),))
    validation = validate(content, endpoint, run.dialect, None)
    # for which the batch fails, or the provider leaves lines out
    invalid = problems_of([entry(error, run.dialect) for error in validation.errors], content)
    failing = (
        Problem(
            validation.lines.numbers[index],
            error.code or error.type,
            error.message,
            error.param and f"body.{error.param}",
            f"the batch runs, and this request fails with status {error.status}",
        )
        for index, error in validation.bad_bodies.items()
    )
    count = 0 if validation.fails else len(validation.lines) - len(validation.bad_bodies)
    return Result(file, endpoint, count, (*invalid, *failing))


def problems_of(errors: Sequence[dict[str, Any]], content: bytes) -> list[Problem]:
    """The entries of `errors` of a batch, with what is wrong with the JSON of their lines."""
    lines: list[bytes] = content.split(b"\n") if errors else []
    problems = list[Problem]()
    for error in errors:
        number: int | None = error["line"]
        detail = jsonl_problem(lines[number - 1]) if number else ""
        detail = re.sub(r"\bline 1\b", f"line {number}", detail)
        problems.append(Problem(number, error["code"], error["message"], error["param"], detail))
    return problems


def show(file: str, problems: Sequence[Problem], form: Format = Format.TEXT) -> None:
    """Print the first problems of a file."""
    for problem in problems[:SHOWN]:
        detail = problem.detail and f" ({problem.detail})"
        place = file if problem.line is None else f"{file}:{problem.line}"
        if form is Format.GITHUB:  # docs.github.com: "Workflow commands for GitHub Actions"
            places = {"file": file, "line": problem.line, "title": problem.code}
            properties = ",".join(
                f"{name}={str(value).translate(_ESCAPES_IN_PROPERTIES)}"
                for name, value in places.items()
                if value is not None
            )
            message = (problem.message + detail).translate(_ESCAPES)
            typer.echo(f"::error {properties}::{message}")
        elif problem.line is None and problem.code in ("refused", "unknown_endpoint", "unreadable"):
            prefix = f"{file}: " if problem.code == "refused" else ""
            for text in filter(None, (problem.message, problem.detail)):
                error_console.print(f"{prefix}{text}", style="red")
        else:
            error_console.print(f"{place}: {problem.code}: {problem.message}{detail}", style="red")
    if len(problems) > SHOWN:
        error_console.print(f"… and {len(problems) - SHOWN} more errors", style="red")
