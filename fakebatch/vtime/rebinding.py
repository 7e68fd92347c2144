"""Names of time functions that other modules have bound, found by identity and exchanged."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from fakebatch.vtime import callsite

_OURS = frozenset(
    [
        "fakebatch",
        "conftest_plugin",
        "freezegun",
        "time_machine",
        "time",
        "datetime",
        "_datetime",
        "_pydatetime",
        "threading",
        "queue",
    ]
)
_WITH_REAL_DATES = frozenset(
    ["pydantic", "pydantic_core", "openai", "numpy", "pandas", "sqlalchemy"]
)
"""Packages that compare annotations with the datetime class itself: only functions change there."""
_USUAL = frozenset(
    [
        "sleep",
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "gmtime",
        "localtime",
        "strftime",
        "date",
        "datetime",
    ]
)
"""Names looked at even if they meant something else before, such as a test's own patch."""

_seen: dict[str, tuple[int, int, tuple[str, ...]]] = {}
"""Where to look in modules of libraries, whose names change no more: a full look takes 10 ms."""
_looked_for: set[int] = set()


class Rebinding:
    """Exchanges objects for others in the globals of all modules, and back.

    Args:
        fakes: what to put in, by what it replaces.
    """

    def __init__(self, fakes: Mapping[Any, Any], on_import: Any = ()) -> None:
        self._pairs = [(real, fake) for real, fake in fakes.items()]

    def make(self) -> None:
        """Put the fakes in."""
        self._swap({id(real): fake for real, fake in self._pairs})

    def undo(self) -> None:
        """Put the reals back, also where a module bound a fake meanwhile."""
        self._swap({id(fake): real for real, fake in self._pairs})

    def _swap(self, new: Mapping[int, Any]) -> None:
        both = {id(thing) for pair in self._pairs for thing in pair}
        if not both <= _looked_for:
            _looked_for.update(both)
            _seen.clear()
        for root, namespace, name in _bindings():
            value = new.get(id(namespace.get(name)))
            if value is not None and not (isinstance(value, type) and root in _WITH_REAL_DATES):
                namespace[name] = value


def _bindings() -> Iterator[tuple[str, dict[str, Any], str]]:
    modules: list[tuple[str, object]] = list(sys.modules.items())
    for key, module in modules:
        root = key.partition(".")[0]
        if isinstance(module, ModuleType) and not callsite.is_harness(root) and root not in _OURS:
            # By __dict__, never getattr: a lazy package (openai 3) would import 1,100 modules.
            namespace: dict[str, Any] = object.__getattribute__(module, "__dict__")
            for name in _candidates(key, namespace):
                yield root, namespace, name


def _candidates(key: str, namespace: dict[str, Any]) -> tuple[str, ...]:
    known = _seen.get(key)
    if known is not None and known[:2] == (id(namespace), len(namespace)):
        return known[2]
    items = list(namespace.items())  # at once: another thread may be adding to them
    found = tuple(name for name, it in items if id(it) in _looked_for or name in _USUAL)
    if callsite.is_installed(namespace.get("__file__") or ""):
        _seen[key] = (id(namespace), len(namespace), found)
    return found
