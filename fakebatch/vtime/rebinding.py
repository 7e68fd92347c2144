"""What the names of time mean in other modules while the clock runs, and while they are imported.

A module that has bound a time function or class (`from time import sleep`) is given the fake under
that name. A module that is imported under the clock executes with the real `date` and `datetime`,
and is given the fakes afterwards: a class derived from a fake is no class of dates to whoever looks
closely. Metaclasses conflict, Cython compares sizes (a first `import pandas` ends the process),
tables of types do not know it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes import string_at
from functools import wraps
from importlib.abc import Loader
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
from importlib.util import LazyLoader
from itertools import chain
from threading import RLock, get_ident
from types import FunctionType, ModuleType
from typing import Any, NamedTuple
from zipimport import zipimporter

import freezegun.api
from freezegun.api import FakeDate, FakeDatetime, real_date, real_datetime

from fakebatch.vtime import callsite
from fakebatch.vtime.patches import Patch
from fakebatch.vtime.wall_clock import fakes

CLASSES: dict[type, Any] = {real_date: FakeDate, real_datetime: FakeDatetime}
"""The real classes, and those that stand in their place while time is frozen."""
_REAL_CLASSES = {id(fake): real for real, fake in CLASSES.items()}
_FAKE_CLASSES = {id(real): fake for real, fake in CLASSES.items()}

_OURS = frozenset(
    {
        *("fakebatch", "conftest_plugin", "freezegun", "time_machine", "time", "datetime"),
        *("_datetime", "_pydatetime", "threading", "queue"),
    }
)
"""Packages that make the clock, or hold what others see by it."""
_LEFT_ALONE = callsite.HARNESS | _OURS
_WITH_REAL_DATES = frozenset(
    {"pydantic", "pydantic_core", "openai", "numpy", "pandas", "sqlalchemy"}
)
"""Packages that compare annotations with the datetime class itself: only functions change there."""
_TIME_NAMES = frozenset({"sleep", *(real.__name__ for real in fakes())})
"""Names looked at in every library, even if they meant something else before, such as a patch."""

# Not vars(): it asks the object, and a lazy module would import itself to answer.
_namespace: Callable[[object], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__
_values = dict[str, Any].values

_Names = frozenset[str] | dict[str, Any]
"""Names in a namespace; all that it has by then, if it is the namespace itself."""


class Rebinding:
    """Exchanges time functions and classes in the globals of all modules, and back.

    Args:
        fakes: what to put in, by what it replaces.
        on_import: what to call, once, with a module of that name when its import has ended.
    """

    def __init__(
        self, fakes: Mapping[Any, Any], on_import: Mapping[str, Callable[[ModuleType], object]]
    ) -> None:
        self._alive = dict(fakes)  # no id below may come to mean something else
        self._fakes = {id(real): fake for real, fake in fakes.items()}
        self._fake_functions = {
            id(real): fake for real, fake in fakes.items() if not isinstance(real, type)
        }
        self._reals = {id(fake): real for real, fake in fakes.items()}
        self._on_import = dict(on_import)
        self._rebound: list[tuple[dict[str, Any], _Names]] = []
        self._imports: dict[int, list[tuple[object, bool]]] = {}
        """By thread: what its outermost import has executed, and whether without an error."""
        self._lock = RLock()  # a finalizer may import something at any time
        self._applied = False

    def apply(self) -> None:
        """Put the fakes in."""
        self._applied = True
        _index.look_for(self._fakes.keys() | self._reals.keys())
        for package, namespace, names in _index.bindings():
            self._rebound.append((namespace, names))
            new = self._fake_functions if _compares_dates(package) else self._fakes
            _rebind(namespace, names, new)
        for name in PREPARATIONS.keys() & sys.modules.keys():
            self._prepare(name)

    def undo(self) -> None:
        """Put the reals back, also where a module has bound a fake meanwhile."""
        self._applied = False
        # First those modules that sys.modules may not hold any more, or not at this moment.
        for namespace, names in self._rebound:
            _rebind(namespace, names, self._reals)
        for _, namespace, names in _index.bindings():
            _rebind(namespace, names, self._reals)
        self._rebound.clear()

    def replacements(self) -> list[Patch]:
        """What to patch to hear of every module that is executed.

        A finder in sys.meta_path would not: specs may have been found before, by hand, or by a
        finder in front of it. And it would have to stand in the place of the module's own loader.
        """
        return [
            Patch(owner, name, self._watched(vars(owner)[name]))
            for owner, name in loading_methods()
        ]

    def _watched(self, load: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def watched(loader: Any, target: Any) -> Any:
            with self._real_dates(target):
                return load(loader, target)

        # Warnings and tracebacks pass over the frames of the import system. This is one.
        watched.__code__ = watched.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return wraps(load)(watched)

    @contextmanager
    def _real_dates(self, target: object = None) -> Generator[None]:
        """Show the real classes in `datetime`, to all threads, while a module executes."""
        with self._lock:
            outermost = get_ident() not in self._imports
            executed = self._imports.setdefault(get_ident(), [])
            _show(real=True)
        completed = False
        try:
            yield
            completed = True
        finally:
            executed.append((target, completed))
            if outermost:
                with self._lock:
                    del self._imports[get_ident()]
                    if not self._imports and freezegun.api.freeze_factories:
                        _show(real=False)
                self._settle(executed)

    def _settle(self, executed: list[tuple[object, bool]]) -> None:
        """Let modules whose import has ended see what those loaded before do."""
        imported: list[str] = []
        for target, completed in executed:
            namespace = _globals(target)
            name = str(namespace.get("__name__"))
            package = _package(name)
            if namespace and package not in _OURS:
                if package in callsite.HARNESS or not self._applied:
                    new = self._reals
                elif _compares_dates(package):
                    new = self._fake_functions | _REAL_CLASSES
                else:
                    new = self._fakes | (_FAKE_CLASSES if freezegun.api.freeze_factories else {})
                _rebind(namespace, namespace, new)
                self._rebound.append((namespace, namespace))
            if completed and name in sys.modules:
                imported.append(name)
        for name in imported if self._applied else ():
            self._prepare(name)
            if callback := self._on_import.pop(name, None):
                callback(sys.modules[name])

    def _prepare(self, name: str) -> None:
        if prepare := PREPARATIONS.get(name):
            with self._real_dates(), suppress(Exception):
                prepare(sys.modules[name])


def loading_methods() -> Iterator[tuple[type, str]]:
    """The methods that execute modules, with the class that defines each."""
    loaders: list[type] = [Loader, SourceFileLoader, SourcelessFileLoader, zipimporter]
    loaders.append(ExtensionFileLoader)
    for loader in loaders:  # it grows meanwhile
        loaders += type.__subclasses__(loader)
    for owner in {base for loader in loaders for base in loader.__mro__} - {LazyLoader}:
        if isinstance(vars(owner).get("exec_module"), FunctionType):
            yield owner, "exec_module"
    yield ExtensionFileLoader, "create_module"  # executes those of a single phase


def _show(*, real: bool) -> None:
    for real_class, fake in CLASSES.items():
        old, new = (fake, real_class) if real else (real_class, fake)
        if vars(dt)[real_class.__name__] is old:
            setattr(dt, real_class.__name__, new)


# --- libraries that would refuse a fake, or keep it


def _core_schema(_: type, source: Any, handler: Callable[[Any], Any]) -> Any:
    real = _REAL_CLASSES.get(id(source))
    if real is None:  # a subclass of a fake
        return handler(source)
    # Up to 2.11 pydantic compares with what the module datetime has now: it would refuse the real.
    from pydantic_core import core_schema  # noqa: PLC0415 - who asks for it has it

    return core_schema.date_schema() if real is real_date else core_schema.datetime_schema()


for _fake in CLASSES.values():
    # Pydantic asks for it where a field of a model that is defined under the clock names the fake.
    # It stays for good: such a model may live on, and be derived from.
    _fake.__get_pydantic_core_schema__ = classmethod(_core_schema)


PREPARATIONS: dict[str, Callable[[Any], object]] = {
    # These two keep the classes that they see when they first take a time.
    "cryptography.x509": lambda x509: x509.InvalidityDate(real_datetime(2000, 1, 1)).public_bytes(),
    "polars": lambda polars: [polars.lit(real(2000, 1, 1)) for real in CLASSES],
    # It finds the type of a column by the class of a value, or of an annotation.
    "sqlalchemy.sql.sqltypes": lambda sqltypes: sqltypes._type_map.update(  # noqa: SLF001
        {fake: sqltypes._type_map[real] for real, fake in CLASSES.items()}  # noqa: SLF001
    ),
}
"""What to do, while the classes are real, with a module that was imported."""


# --- where modules have bound the names of time


def _rebind(namespace: dict[str, Any], names: _Names, new: Mapping[int, Any]) -> None:
    for name in names.copy():
        value = new.get(id(namespace.get(name)))
        if value is not None:
            namespace[name] = value


def _compares_dates(package: str) -> bool:
    # SDKs that are generated by Stainless, as openai's is, parse times by their annotations.
    models = _globals(sys.modules.get(f"{package}._models"))
    return package in _WITH_REAL_DATES or "construct_type" in models


class _Library(NamedTuple):
    """A module of an installed package: its names mean the same as long as it has no more."""

    module: ModuleType
    namespace: dict[str, Any]
    size: int
    names: frozenset[str]


class _Index:
    """The names by which modules have bound time functions, remembered between looks."""

    def __init__(self) -> None:
        self._ids = set[int]()
        self._forget()

    def _forget(self) -> None:
        self._libraries: dict[str, _Library] = {}
        self._users: dict[str, tuple[bytes, frozenset[str]]] = {}
        """By other modules: the ids of all their values, and the names in question."""
        self._seen: tuple[bytes, list[str]] = b"", []

    def look_for(self, ids: set[int]) -> None:
        """Look for these objects, too, from now on."""
        if not ids <= self._ids:
            self._ids |= ids
            self._forget()

    def bindings(self) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
        """The package, the globals and the names in question of each module that has some."""
        users: dict[str, dict[str, Any]] = {}
        for key, module in sys.modules.copy().items():
            library = self._libraries.get(key)
            if (
                library is None
                or library.module is not module
                or library.size != len(library.namespace)
            ):
                namespace = _globals(module)
                library = None if key in self._users else self._library(key, module, namespace)
                if library is None:
                    users[key] = namespace
                    continue
            if library.names:
                yield _package(key), library.namespace, library.names
        self._look_at(users)
        for key, (_, names) in self._users.items():
            if names:
                # They may be gone, and others mean the same objects in their place.
                there = names <= users[key].keys()
                yield _package(key), users[key], names if there else self._names_in(users[key])

    def _library(self, key: str, module: Any, namespace: dict[str, Any]) -> _Library | None:
        names = frozenset[str]()
        if _package(key) not in _LEFT_ALONE:
            file = str(namespace.get("__file__"))
            if key not in sys.builtin_module_names and not callsite.is_installed(file):
                return None
            names = self._names_in(namespace) | (_TIME_NAMES & namespace.keys())
        self._libraries[key] = library = _Library(module, namespace, len(namespace), names)
        return library

    def _look_at(self, users: Mapping[str, dict[str, Any]]) -> None:
        """Find the names in modules that have changed since the last look."""
        addresses, keys = ids_of_values(users.values()), list(users)
        if (addresses, keys) == self._seen:
            return
        self._seen = addresses, keys
        known, self._users = self._users, {}
        end = 0
        for key, namespace in users.items():
            start, end = end, end + len(namespace) * tuple.__itemsize__
            ids, names = known.get(key, (b"", frozenset[str]()))
            if ids != addresses[start:end]:
                names = self._names_in(namespace)
            self._users[key] = addresses[start:end], names

    def _names_in(self, namespace: dict[str, Any]) -> frozenset[str]:
        items = namespace.copy().items()
        return frozenset(name for name, value in items if id(value) in self._ids)


_index = _Index()


def ids_of_values(namespaces: Iterable[dict[str, Any]]) -> bytes:
    """The id() of every value of some dicts, in a quarter of the time that id() takes.

    The values themselves must not be kept: a test may want to see them go.
    """
    values = tuple(chain.from_iterable(map(_values, namespaces)))
    return string_at(id(values) + tuple.__basicsize__, len(values) * tuple.__itemsize__)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _globals(module: object) -> dict[str, Any]:
    """The names of a module; none of what only says that it is one, such as cffi's Lib."""
    try:
        return _namespace(module)
    except TypeError:
        return {}
