"""Where the code under test sleeps: the innermost frame that belongs to the user."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any


def _folder(path: str | Path) -> str:
    return f"{path}{os.sep}"


_OURS = _folder(Path(__file__).parents[1])
# By their folders: a project's own code may lie beside or around its virtual environment.
_INSTALLED = tuple(
    _folder(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


HARNESS = frozenset(
    [
        "_pytest",
        "pluggy",
        "xdist",
        "execnet",
        "pytest_timeout",
        "pytest_benchmark",
        "hypothesis",
        "coverage",
        "pdb",
        "bdb",
        "subprocess",
        "multiprocessing",
        "selectors",
    ]
)
"""Packages that run or watch the tests, or talk to other processes: they keep real time."""


def is_harness(module: str) -> bool:
    """Whether a module keeps real time, whatever the clock shows others."""
    return module.partition(".")[0] in HARNESS


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python or an installed library."""
    return file.startswith(_INSTALLED)


def of_this_thread() -> str:
    """The file:line at which the user's code called what is now sleeping."""
    return _innermost(outwards(sys._getframe(1)))  # noqa: SLF001 - documented, the only way up


def of_frame(frame: FrameType) -> str:
    """The file:line at which the user's code called what a frame is doing."""
    return _innermost(outwards(frame))


def of_coroutine(coroutine: Any) -> str:
    """The file:line at which the user's code awaits in a suspended coroutine, or else ran it."""
    awaited = reversed(list(_awaited(coroutine)))
    return _innermost([*awaited, *outwards(sys._getframe(1))])  # noqa: SLF001


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and all that called it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await


def _innermost(frames: Iterable[FrameType]) -> str:
    places = [(frame.f_code.co_filename, frame.f_lineno) for frame in frames]
    others = [place for place in places if not place[0].startswith((_OURS, "<"))]
    users = [place for place in others if not is_installed(place[0])]
    file, line = (users or others or places)[0]
    return f"{file}:{line}"
