"""What names in other modules mean while the clock runs, in those loaded and those imported then.

A module that has bound a time function or class (`from time import sleep`) is given the fake under
that name. A module imported under the clock is given the real classes first: see imports.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from ctypes import string_at
from itertools import chain
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from fakebatch.vtime import callsite
from fakebatch.vtime.imports import CLASSES, PREPARATIONS, Executed, Imports
from fakebatch.vtime.io import Patch
from fakebatch.vtime.wall_clock import fakes, is_frozen

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
"""Modules that make the clock, or hold what others see by it."""
_LEFT_ALONE = callsite.HARNESS | _OURS
_WITH_REAL_DATES = frozenset(
    ["pydantic", "pydantic_core", "openai", "numpy", "pandas", "sqlalchemy"]
)
"""Packages that compare annotations with the datetime class itself: only functions change there."""
_USUAL = frozenset(["sleep", *(real.__name__ for real in fakes())])
"""Names looked at in every library, even if they meant something else before, such as a patch."""

_REAL_CLASSES = {id(fake): real for real, fake in CLASSES}
_FAKE_CLASSES = {id(real): fake for real, fake in CLASSES}

# Not vars(): it asks the object, and a lazy module would import itself to answer.
_namespace: Callable[[object], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__
_values = dict[str, Any].values


class Rebinding:
    """Exchanges time functions and classes in the globals of all modules, and back.

    Args:
        fakes: what to put in, by what it replaces.
        on_import: what to call, once, with a module of that name when its import has ended.
    """

    def __init__(
        self,
        fakes: Mapping[Any, Any],
        on_import: Mapping[str, Callable[[ModuleType], object]] = MappingProxyType({}),
    ) -> None:
        self._alive = dict(fakes)  # no id below may come to mean something else
        self._fakes = {id(real): fake for real, fake in fakes.items()}
        self._fake_functions = {
            id(real): fake for real, fake in fakes.items() if not isinstance(real, type)
        }
        self._reals = {id(fake): real for real, fake in fakes.items()}
        self._on_import = dict(on_import)
        self._imports = Imports(self._settle)
        self._rebound: list[tuple[dict[str, Any], Iterable[str]]] = []
        self._imported: list[dict[str, Any]] = []
        self._is_made = False

    def replacements(self) -> list[Patch]:
        """What to patch so that modules imported from now on are known."""
        return self._imports.replacements()

    def make(self) -> None:
        """Put the fakes in."""
        self._is_made = True
        _index.look_for(self._fakes.keys() | self._reals.keys())
        for package, namespace, names in _index.bindings():
            self._rebound.append((namespace, names))
            new = self._fake_functions if _compares_dates(package) else self._fakes
            _rebind(namespace, names, new)
        for name in PREPARATIONS.keys() & sys.modules.keys():
            self._imports.prepare(name)

    def undo(self) -> None:
        """Put the reals back, also where a module has bound a fake meanwhile."""
        self._is_made = False
        # First those modules that sys.modules may not hold any more, or not at this moment.
        for namespace, names in self._rebound:
            _rebind(namespace, names, self._reals)
        for namespace in self._imported:
            _rebind(namespace, tuple(namespace), self._reals)
        for _, namespace, names in _index.bindings():
            _rebind(namespace, names, self._reals)
        self._rebound.clear()
        self._imported.clear()

    def _settle(self, executed: list[Executed]) -> None:
        """Let modules whose import has ended see what those loaded before do."""
        imported: list[str] = []
        for target, completed in executed:
            namespace = _globals(target)
            name = str(namespace.get("__name__"))
            if namespace and _package(name) not in _OURS:
                _rebind(namespace, tuple(namespace), self._seen_by(_package(name)))
                self._imported.append(namespace)
            if completed and name in sys.modules:
                imported.append(name)
        for name in imported if self._is_made else ():
            self._imports.prepare(name)
            if callback := self._on_import.pop(name, None):
                callback(sys.modules[name])

    def _seen_by(self, package: str) -> Mapping[int, Any]:
        if package in callsite.HARNESS or not self._is_made:
            return self._reals
        if _compares_dates(package):
            return self._fake_functions | _REAL_CLASSES
        return self._fakes | (_FAKE_CLASSES if is_frozen() else {})


def _compares_dates(package: str) -> bool:
    # SDKs that are generated by Stainless, as openai's is, parse times by their annotations.
    models = _globals(sys.modules.get(f"{package}._models"))
    return package in _WITH_REAL_DATES or "construct_type" in models


def _rebind(namespace: dict[str, Any], names: Iterable[str], new: Mapping[int, Any]) -> None:
    for name in names:
        value = new.get(id(namespace.get(name)))
        if value is not None:
            namespace[name] = value


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
        self._libraries: dict[str, _Library] = {}
        self._others: dict[str, bytes] = {}
        self._names_in_others: dict[str, frozenset[str]] = {}
        self._seen: tuple[bytes, list[str]] = b"", []

    def look_for(self, ids: set[int]) -> None:
        """Look for these objects, too, from now on."""
        if not ids <= self._ids:
            self._ids |= ids
            self._libraries, self._others, self._seen = {}, {}, (b"", [])

    def bindings(self) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
        """The package, the globals and the names in question of each module that has some."""
        others: dict[str, dict[str, Any]] = {}
        for key, module in sys.modules.copy().items():
            known = self._libraries.get(key)
            if known is None or known.module is not module or known.size != len(known.namespace):
                namespace = _globals(module)
                known = None if key in self._others else self._library(key, module, namespace)
                if known is None:
                    others[key] = namespace
                    continue
            if known.names:
                yield _package(key), known.namespace, known.names
        self._look_at(others)
        for key, names in self._names_in_others.items():
            # They may be gone, and others mean the same objects in their place.
            there = names <= others[key].keys()
            yield _package(key), others[key], names if there else self._names(others[key])

    def _library(self, key: str, module: Any, namespace: dict[str, Any]) -> _Library | None:
        file = str(namespace.get("__file__"))
        if _package(key) in _LEFT_ALONE:
            names = frozenset[str]()
        elif key in sys.builtin_module_names or callsite.is_installed(file):
            names = self._names(namespace) | (_USUAL & namespace.keys())
        else:
            return None
        self._libraries[key] = library = _Library(module, namespace, len(namespace), names)
        return library

    def _look_at(self, others: Mapping[str, dict[str, Any]]) -> None:
        addresses, keys = _addresses(others.values()), list(others)
        if (addresses, keys) == self._seen:
            return
        known, self._others, self._seen = self._others, {}, (addresses, keys)
        known_names, self._names_in_others = self._names_in_others, {}
        end = 0
        for key, namespace in others.items():
            start, end = end, end + len(namespace) * tuple.__itemsize__
            held = self._others[key] = addresses[start:end]
            same = known.get(key) == held
            if names := known_names.get(key) if same else self._names(namespace):
                self._names_in_others[key] = names

    def _names(self, namespace: dict[str, Any]) -> frozenset[str]:
        items = namespace.copy().items()
        return frozenset(name for name, value in items if id(value) in self._ids)


_index = _Index()


def _addresses(namespaces: Iterable[dict[str, Any]]) -> bytes:
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
