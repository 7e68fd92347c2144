"""What a session calls when the import of a module has ended, while its clock runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import LazyLoader, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import pytest

from fakebatch.vtime import Clock, rebinding, session
from fakebatch.vtime.patches import Patch
from support.projects import BINDS, SEES, Project, by_hand


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Clock]]:
    clocks: list[Clock] = []

    def start_clock(module: str, callback: Callable[[ModuleType], object]) -> Clock:
        def patches(module: ModuleType) -> list[Patch]:
            callback(module)
            return []

        monkeypatch.setitem(session.LATER, module, patches)
        clocks.append(Clock())
        clocks[-1].__enter__()
        return clocks[-1]

    yield start_clock
    for clock in clocks:
        clock.__exit__()


def test_it_is_called_once(start: Callable[..., Clock], project: Project) -> None:
    """When the outermost import has ended: what imports the module has executed too."""
    imported: list[object] = []
    start("late.part", lambda part: imported.append((part.__name__, sys.modules["late"].done)))
    project.write("late.part", "")
    late = project.load("late.__init__", "from late import part\ndone = True\n")
    importlib.reload(late.part)

    assert imported == [("late.part", True)]


def test_it_is_not_called_after_an_import_that_failed(
    start: Callable[..., Clock], project: Project
) -> None:
    """But when the module can be imported at last."""
    imported: list[ModuleType] = []
    start("late", imported.append)
    with pytest.raises(ZeroDivisionError):
        project.load("late", "1/0")
    assert imported == []

    late = project.load("late", "more = 'so that the file differs'")
    assert imported == [late]


def test_it_is_not_called_for_a_file_that_is_no_module(
    start: Callable[..., Clock], project: Project
) -> None:
    """A file may be executed by hand, under any name, without being in sys.modules."""
    imported: list[ModuleType] = []
    start("late", imported.append)
    by_hand(project)()

    assert imported == []


def test_it_is_called_when_a_lazy_module_executes(
    start: Callable[..., Clock], project: Project
) -> None:
    """Not when its loader has made it lazy."""
    imported: list[ModuleType] = []
    start("late", imported.append)
    spec: Any = spec_from_file_location("late", project.write("late", SEES))
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules["late"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert imported == []

    assert module.seen
    assert imported == [module]


def test_it_may_refuse_the_module(start: Callable[..., Clock], project: Project) -> None:
    """The import fails with the error, and everything is put back as ever."""

    def refuse(_: ModuleType) -> None:
        raise ValueError

    made = start("late", refuse)
    with pytest.raises(ValueError, match=r"^$"):
        project.load("late", BINDS)
    made.__exit__()

    assert project.load("late", BINDS)


def test_it_is_not_called_afterwards(start: Callable[..., Clock], project: Project) -> None:
    """Nor is anything left in the loaders."""
    before = [vars(owner)[name] for owner, name in rebinding.loading_methods()]
    imported: list[ModuleType] = []
    made = start("late", imported.append)
    during = [vars(owner)[name] for owner, name in rebinding.loading_methods()]
    made.__exit__()
    project.load("late", "")

    assert imported == []
    assert not {*before} & {*during}
    assert [vars(owner)[name] for owner, name in rebinding.loading_methods()] == before
