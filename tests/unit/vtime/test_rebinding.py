"""What names mean in other modules: fakes while the clock runs, the very reals before and after."""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time
from array import array
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import time_machine
from freezegun import freeze_time

from fakebatch.vtime import Clock, rebinding
from support.projects import (
    AT,
    BINDS,
    REAL,
    REAL_CLASSES,
    SEES,
    Project,
    is_real,
    is_virtual,
)


class TestLoaded:
    """A module that was there before the clock."""

    @pytest.mark.parametrize("name", ["openai_poller", "queue_worker", "pytest_jobs", "numpyish"])
    def test_it_is_known_by_its_whole_name(self, name: str, project: Project) -> None:
        """Freezegun ignores by prefix; a module of the user's is not ignored for how it begins."""
        early = project.load(name, BINDS)
        with Clock():
            assert is_virtual(early)

        assert is_real(early)

    @pytest.mark.parametrize(
        "file", ["poller.py", threading.__file__], ids=["a user's", "a library's"]
    )
    def test_a_clock_that_looks_for_less_hides_nothing(
        self, file: str, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock inside a freeze looks for fewer names than the next one, which needs them all."""
        monkeypatch.setattr(rebinding, "_index", rebinding._Index())
        early = project.load("early", BINDS)
        early.__file__ = file
        with freeze_time("2030-01-01"), Clock():
            pass
        with Clock():
            assert is_virtual(early)

        assert is_real(early)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            pytest.param("other = time.time", "other", id="what a name means"),
            pytest.param("more = time.time", "more", id="the number of names"),
            pytest.param("del now; more = time.time", "more", id="the name of the same"),
            pytest.param("sys.modules['moved'] = sys.modules.pop('early')", "now", id="its name"),
        ],
    )
    def test_what_changed_between_two_clocks_is_seen(
        self, change: str, name: str, project: Project
    ) -> None:
        """A look is remembered as long as nothing has changed, and no longer."""
        early = project.load("early", "import sys, time\nother = None\nnow = time.time\n")
        with Clock():
            pass
        exec(change, vars(early))  # noqa: S102 - as code of the module itself
        with Clock():
            assert getattr(early, name)() == AT.timestamp()

        assert getattr(early, name) is REAL["now"]

    @pytest.mark.parametrize("name", ["more", "time"], ids=["a new name", "a usual name"])
    def test_what_changed_in_a_library_is_seen(self, name: str, project: Project) -> None:
        """Its names change no more once it has been imported, but for patches and late imports."""
        early = project.load("library", "import time as t\ntime = None\n")
        early.__file__ = threading.__file__
        with Clock():
            pass
        setattr(early, name, time.time)
        with Clock():
            assert getattr(early, name)() == AT.timestamp()

        assert getattr(early, name) is REAL["now"]

    @pytest.mark.parametrize("name", ["now", "more"])
    def test_what_is_bound_meanwhile_is_restored(self, name: str, project: Project) -> None:
        """A module may have as many names as before, and yet one of them means a fake now."""
        early = project.load("early", "now = None\n")
        with Clock():
            setattr(early, name, time.time)

        assert getattr(early, name) is REAL["now"]

    def test_what_is_bound_to_a_fake_afterwards_is_restored_by_the_next(
        self, project: Project
    ) -> None:
        """A monkeypatch may put a fake back when the clock is gone; until then it acts real."""
        early = project.load("early", "now = None\n")
        with Clock():
            fake = time.time
        early.now = fake
        assert early.now() == pytest.approx(time.time(), abs=60)
        with Clock():
            assert early.now() == AT.timestamp()

        assert early.now is REAL["now"]

    @pytest.mark.parametrize("back", [False, True], ids=["for good", "for some time"])
    def test_one_that_has_been_removed_is_restored(self, back: bool, project: Project) -> None:
        """Tests delete modules to import them anew, and pytest may put them back later."""
        early = project.load("early", BINDS)
        with Clock():
            del sys.modules["early"]
        if back:
            sys.modules["early"] = early

        assert is_real(early)

    def test_its_values_are_not_kept(self, project: Project) -> None:
        """What a module lets go, nobody else holds."""
        early = project.load(
            "early", "class Client:\n def __del__(self): gone.append(self)\ngone = []"
        )
        early.client = early.Client()
        with Clock():
            early.client = None

            assert len(early.gone) == 1

    def test_values_are_told_apart_by_address(self) -> None:
        """What id() says of each, of any kind and in order, out of a tuple of CPython's."""
        values: list[object] = [time.time, 1, "a", None, object(), Project, 10**30]
        globals_ = {str(n): value for n, value in enumerate(values)}

        addresses = rebinding.ids_of_values([{}, globals_, {"more": Project}])

        assert addresses == array("Q", [*map(id, values), id(Project)]).tobytes()


class Pretender:
    """As cffi's Lib: it says that it is a module, and has nothing of one."""

    __slots__ = ()
    __class__: Any = property(lambda _: ModuleType)


class Untouchable(ModuleType):
    """A lazy module that would import itself if it were asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        pytest.fail(f"{name} was asked for")


def module_with(**names: Any) -> ModuleType:
    module = ModuleType("odd")
    vars(module).update(names)
    return module


def fail(*_: object) -> None:
    pytest.fail("a lazy module was asked for more")


ODD: dict[str, Callable[[], Any]] = {
    "None, as for a module that must not be imported": lambda: None,
    "a number": lambda: 1,
    "an object": object,
    "a class": lambda: Project,
    "what says that it is a module": Pretender,
    "a module that answers nothing": lambda: Untouchable("odd"),
    "a module that fetches what it is asked for": lambda: module_with(
        __getattr__=fail, __dir__=fail
    ),
    "a module without a name": lambda: module_with(__name__=None),
    "a module whose file is none": lambda: module_with(__file__=5, __path__=None),
}


class TestSysModules:
    """What else may stand in sys.modules."""

    @pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
    def test_anything_may(self, make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """A clock starts and stops beside it, also if it came or went meanwhile."""
        with Clock():
            monkeypatch.setitem(sys.modules, "odd", make())
        with Clock():
            pass
        with Clock():
            monkeypatch.delitem(sys.modules, "odd")

        assert dt.datetime is REAL["datetime"]


class TestOthersFreezes:
    """Freezegun and time-machine, used by the test itself."""

    def test_a_freeze_around_shows_its_time_to_late_modules(self, project: Project) -> None:
        """Inside the clock and after it, until the freeze ends."""
        at = dt.datetime(2030, 5, 5, tzinfo=dt.UTC)
        early = project.load("early", SEES)
        with freeze_time("2030-05-05"):
            with Clock():
                late = project.load("late", SEES)

                assert late.seen == REAL_CLASSES * 2
                assert is_virtual(early, at)
                assert is_virtual(late, at)

            for module in (early, late):
                assert module.datetime.now(dt.UTC) == at
                assert module.now() == at.timestamp()

        assert is_real(early)
        assert is_real(late)

    def test_a_freeze_inside_shows_its_time_to_late_modules(self, project: Project) -> None:
        """And the clock's when it has ended."""
        with Clock():
            with freeze_time("2030-05-05"):
                late = project.load("late", SEES)

                assert late.seen == REAL_CLASSES * 2
                assert is_virtual(late, dt.datetime(2030, 5, 5, tzinfo=dt.UTC))

            assert is_virtual(late)

        assert is_real(late)

    def test_a_time_machine_shows_its_time_to_late_modules(self, project: Project) -> None:
        """It replaces no classes, and the clock only the monotonic ones."""
        at = dt.datetime(2030, 5, 5, tzinfo=dt.UTC)
        with time_machine.travel(at, tick=False):
            with Clock():
                late = project.load("late", BINDS)
                late.sleep(60)

                assert late.datetime is REAL["datetime"]
                assert late.now() == at.timestamp() + 60

            assert is_real(late)
