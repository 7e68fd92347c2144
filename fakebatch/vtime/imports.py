"""Modules imported while time is frozen see the real `date` and `datetime` as they execute.

A class derived from a fake is no class of dates to whoever looks closely: metaclasses conflict,
Cython compares sizes (a first `import pandas` ends the process), tables of types do not know it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from importlib.abc import Loader
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
from importlib.util import LazyLoader
from threading import RLock, get_ident
from types import FunctionType
from typing import Any, NamedTuple
from zipimport import zipimporter

from freezegun.api import FakeDate, FakeDatetime, real_date, real_datetime

from fakebatch.vtime.io import Patch
from fakebatch.vtime.wall_clock import is_frozen

CLASSES: list[tuple[type, Any]] = [(real_date, FakeDate), (real_datetime, FakeDatetime)]
"""The real classes, and those that stand in their place while time is frozen."""


class Executed(NamedTuple):
    """What a loader was asked to execute, and whether it did so without an error."""

    target: object
    completed: bool


@dataclass(slots=True)
class _Import:
    """What a thread is importing: how many modules inside each other, and those that are done."""

    depth: int = 0
    done: list[Executed] = field(default_factory=list[Executed])


class Imports:
    """Puts the real `date` and `datetime` into their module while any module executes.

    Other threads find them there as well, for as long as the import takes.

    Args:
        settle: called with what a thread has imported, once the outermost import has ended.
    """

    def __init__(self, settle: Callable[[list[Executed]], None]) -> None:
        self._settle = settle
        self._imports: dict[int, _Import] = {}
        self._lock = RLock()  # a finalizer may import something at any time

    def replacements(self) -> list[Patch]:
        """What to patch to hear of every module that is executed.

        A finder in sys.meta_path would not: specs may have been found before, by hand, or by a
        finder in front of it. And it would have to stand in the place of the module's own loader.
        """
        return [
            (owner, name, self._watched(vars(owner)[name])) for owner, name in _loading_methods()
        ]

    @contextmanager
    def real_dates(self, target: object = None) -> Generator[None]:
        """Show the real classes while a module executes."""
        with self._lock:
            self._imports.setdefault(get_ident(), _Import()).depth += 1
            _show(real=True)
        completed = False
        try:
            yield
            completed = True
        finally:
            self._end(Executed(target, completed))

    def prepare(self, name: str) -> None:
        """Do what a module needs that would refuse the fake classes, or keep them."""
        if prepare := PREPARATIONS.get(name):
            with self.real_dates(), suppress(Exception):
                prepare(sys.modules[name])

    def _end(self, executed: Executed) -> None:
        with self._lock:
            current = self._imports[get_ident()]
            current.depth -= 1
            current.done.append(executed)
            if current.depth:
                return
            del self._imports[get_ident()]
            if not self._imports and is_frozen():
                _show(real=False)
        self._settle(current.done)

    def _watched(self, load: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def watched(loader: Any, target: Any) -> Any:
            with self.real_dates(target):
                return load(loader, target)

        # Warnings and tracebacks pass over the frames of the import system. This is one.
        watched.__code__ = watched.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return wraps(load)(watched)


def _core_schema(_: type, source: Any, handler: Callable[[Any], Any]) -> Any:
    return handler(next((real for real, fake in CLASSES if fake is source), source))


for _, _fake in CLASSES:
    # Pydantic asks for it where a field of a model that is defined under the clock names the fake.
    # It stays for good: such a model may live on, and be derived from.
    _fake.__get_pydantic_core_schema__ = classmethod(_core_schema)


def _know_fakes(sqltypes: Any) -> None:
    """SQLAlchemy finds the type of a column by the class of a value, or of an annotation."""
    for real, fake in CLASSES:
        sqltypes._type_map[fake] = sqltypes._type_map[real]  # noqa: SLF001 - has no public name


def _use_in_certificates(x509: Any) -> None:
    """Cryptography keeps the class that it sees when it first takes a time."""
    for real, _ in CLASSES[1:]:
        x509.InvalidityDate(real(2000, 1, 1)).public_bytes()


def _use_in_literals(polars: Any) -> None:
    """Polars keeps the classes that it sees when it first takes a time."""
    for real, _ in CLASSES:
        polars.lit(real(2000, 1, 1))


PREPARATIONS = {
    "cryptography.x509": _use_in_certificates,
    "polars": _use_in_literals,
    "sqlalchemy.sql.sqltypes": _know_fakes,
}
"""What to do, while the classes are real, with modules that would refuse a fake, or keep it."""


def _show(*, real: bool) -> None:
    for name, (real_class, fake) in zip(("date", "datetime"), CLASSES, strict=True):
        old, new = (fake, real_class) if real else (real_class, fake)
        if vars(dt)[name] is old:
            setattr(dt, name, new)


def _loading_methods() -> Iterator[tuple[type, str]]:
    """The methods that execute modules, with the class that defines each."""
    loaders: list[type] = [Loader, SourceFileLoader, SourcelessFileLoader, zipimporter]
    loaders.append(ExtensionFileLoader)
    for loader in loaders:  # it grows meanwhile
        loaders += type.__subclasses__(loader)
    for owner in {base for loader in loaders for base in loader.__mro__} - {LazyLoader}:
        if isinstance(vars(owner).get("exec_module"), FunctionType):
            yield owner, "exec_module"
    yield ExtensionFileLoader, "create_module"  # executes those of a single phase
