"""Who calls: the line of the user's code that a message names, and modules that keep real time."""

from __future__ import annotations

import gc
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
_STDLIB, _LIBRARIES = (
    tuple(_folder(sysconfig.get_path(name)) for name in names)
    for names in (("stdlib", "platstdlib"), ("purelib", "platlib"))
)
_CLIENTS = frozenset({"openai", "httpx", "httpx2", "httpcore", "httpcore2", "respx", "anyio"})
"""Libraries between a call and its answer: seldom who makes it."""
_CLIENT = 3


HARNESS = frozenset(
    {
        *("_pytest", "pluggy", "xdist", "execnet", "pytest_timeout", "pytest_benchmark"),
        *("hypothesis", "coverage", "pdb", "bdb"),
        *("subprocess", "multiprocessing", "selectors"),
    }
)
"""Packages that run or watch the tests, or talk to other processes: they keep real time."""


def is_harness(module: str) -> bool:
    """Whether a module keeps real time, whatever the clock shows others."""
    return module.partition(".")[0] in HARNESS


def caller(depth: int) -> str:
    """The name of a module up the stack: 1 called the function that asks, 2 called that one."""
    return str(sys._getframe(depth + 1).f_globals.get("__name__", ""))  # noqa: SLF001 - the only way


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python or an installed library."""
    return file.startswith(_STDLIB + _LIBRARIES)


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs the user's code: a project's, or what was typed (`<stdin>`)."""
    file = frame.f_code.co_filename
    return not is_installed(file) and not file.startswith((_OURS, "<frozen "))


def of_this_thread() -> str:
    """The file:line at which the user's code called what is now sleeping."""
    return of_frame(sys._getframe(1))  # noqa: SLF001 - documented, the only way up


def of_thread(ident: int) -> FrameType | None:
    """The innermost frame of a thread."""
    # On CPython 3.11 a garbage collection in the midst of it is a deadlock.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames().get(ident)  # noqa: SLF001 - documented
    finally:
        if was_enabled:
            gc.enable()


def of_frame(frame: FrameType) -> str:
    """The file:line at which the user's code called what a frame is doing."""
    return _innermost(outwards(frame))


def of_coroutine(coroutine: Any) -> str:
    """The file:line at which the user's code awaits in a suspended coroutine, or else ran it."""
    frames = [*outwards(sys._getframe(1))]  # noqa: SLF001
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        frames.insert(0, frame)
        coroutine = coroutine.cr_await
    return _innermost(frames)


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and all that called it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _innermost(frames: Iterable[FrameType]) -> str:
    inwards = [*frames][::-1]
    # the innermost; of client libraries the outermost, which is what somebody called
    nearest = min(map(_distance, inwards))
    candidates = [frame for frame in inwards if _distance(frame) == nearest]
    frame = candidates[0 if nearest == _CLIENT else -1]
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _distance(frame: FrameType) -> int:
    """How far a frame is from being the user's: a project, typed code, a library, Python, us."""
    file, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))
    if is_users(frame):
        return 1 if file.startswith("<") else 0
    if file.startswith(_LIBRARIES):  # which may lie within the standard library
        return _CLIENT if module.partition(".")[0] in _CLIENTS else 2
    return 4 if file.startswith(_STDLIB) else 5
