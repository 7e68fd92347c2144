"""Patches: what a session of clocks puts in the place of names of other modules, and takes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

from fakebatch.vtime.scheduler import for_this_thread

Real = Callable[..., Any]
"""What a wrapper stands in front of."""


class Patch(NamedTuple):
    """A name to give another meaning."""

    owner: Any
    """A module or a class."""
    name: str
    value: Any


def wrap(
    owner: Any, names: str, wrapper: Callable[..., Any], *, everywhere: bool = False
) -> list[Patch]:
    """Patches for functions that do something else in threads that live in virtual time.

    Args:
        owner: a module or a class.
        names: of functions that it may have, with spaces between them.
        wrapper: called with the scheduler, the real function, and the arguments.
        everywhere: whether it is called in threads in real time, too; the scheduler is None there.
    """

    def wrapped(name: str) -> Any:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            scheduler = for_this_thread()
            if scheduler is None and not everywhere:
                return real(*args, **kwargs)
            return wrapper(scheduler, real, *args, **kwargs)

        call.__name__ = name  # trio looks methods of sockets up by it
        return call

    return [Patch(owner, name, wrapped(name)) for name in names.split() if hasattr(owner, name)]


def apply(patches: Iterable[Patch], undo: ExitStack) -> None:
    """Make patches, which are undone when a stack closes."""
    for owner, name, value in patches:
        if name in vars(owner):
            undo.callback(setattr, owner, name, vars(owner)[name])
        else:  # inherited
            undo.callback(delattr, owner, name)
        setattr(owner, name, value)
