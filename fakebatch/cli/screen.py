"""What the commands share: where they print, how they fail, and options that several take."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from fakebatch.dialects import DIALECTS
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.rules import catalogue

console = Console(highlight=False, markup=False, soft_wrap=True)
error_console = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def fail(*messages: object) -> NoReturn:
    """Print messages, and exit with status 1."""
    for message in messages:
        error_console.print(str(message), style="red")
    raise typer.Exit(1)


def reason(error: OSError) -> str:
    """What the system says about a file."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


@contextmanager
def reported() -> Generator[None]:
    """Turn the errors that a user can cause into messages and exit status 1."""
    try:
        yield
    except FakeBatchError as error:
        fail(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(reason(error))


@contextmanager
def handling(
    numbers: Sequence[signal.Signals], handle: Callable[[int, object], object]
) -> Generator[None]:
    """Handle signals, until the end of the block."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finite(value: float, option: str, what: str, *, zero: bool = False) -> float:
    """The value of a numeric option.

    Args:
        value: what came.
        option: an example of the option: `--timeout 60`.
        what: what it counts, with the verb that goes with it.
        zero: whether it may be 0.

    Raises:
        UsageError: it is negative or not finite, or it is 0 and may not be.
    """
    if math.isfinite(value) and (value > 0 or (zero and value == 0)):
        return value
    least = "0 or more" if zero else "more than 0"
    raise UsageError(
        f"{option.partition(' ')[0]} {value:g} cannot be used.",
        f"It {what}: a number that is {least}.",
        f"Write for example {option}.",
    )


def read(file: str) -> bytes:
    """The content of an input file; `-` is standard input."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def prose(text: str, margin: int = 2) -> str:
    """A paragraph, indented and filled to the width of the terminal."""
    width = console.width - margin
    return indent(fill(text, width, break_long_words=False, break_on_hyphens=False), "  ")


def _dialects(incomplete: str) -> list[str]:
    return [name for name in DIALECTS if name.startswith(incomplete)]


def _incidents(incomplete: str) -> list[str]:
    by_name = [each.name for each in catalogue.known().values()]
    return [name for name in (*catalogue.known(), *by_name) if name.startswith(incomplete)]


DialectOption = Annotated[
    str,
    typer.Option(
        help="The provider: a name (see `fakebatch dialects`), or a TOML file.",
        autocompletion=_dialects,
    ),
]
IncidentOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A known incident (see `fakebatch incidents`); may be repeated.",
        autocompletion=_incidents,
    ),
]
ScenarioOption = Annotated[
    list[str] | None, typer.Option(help="A scenario file, TOML or JSON; may be repeated.")
]
