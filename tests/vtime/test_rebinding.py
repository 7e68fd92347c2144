"""What names mean in other modules: fakes while the clock runs, the very reals before and after."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.resources
import inspect
import py_compile
import runpy
import sys
import threading
import time
import traceback
import warnings
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import InspectLoader, Loader
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
from importlib.util import (
    LazyLoader,
    find_spec,
    module_from_spec,
    spec_from_file_location,
    spec_from_loader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic.v1
import pytest
import time_machine
from freezegun import freeze_time
from freezegun.api import FakeDate, FakeDatetime
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic.errors import PydanticSchemaGenerationError

from fakebatch.vtime import Clock, imports, rebinding, session
from fakebatch.vtime.io import Patch

BINDS = "from datetime import date, datetime\nfrom time import monotonic, sleep, time as now\n"
SEES = f"import datetime as dt\n{BINDS}seen = dt.datetime, dt.date, datetime, date\n"
REAL = {
    "date": dt.date,
    "datetime": dt.datetime,
    "monotonic": time.monotonic,
    "now": time.time,
    "sleep": time.sleep,
}
REAL_CLASSES = dt.datetime, dt.date
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@contextmanager
def running() -> Iterator[Clock]:
    clock = Clock()
    clock.start()
    try:
        yield clock
    finally:
        clock.stop()


def is_real(module: Any) -> bool:
    return all(vars(module)[name] is real for name, real in REAL.items())


def is_virtual(module: Any, at: dt.datetime = AT) -> bool:
    assert module.sleep is not REAL["sleep"]
    assert module.monotonic is not REAL["monotonic"]
    assert module.date.today() == at.date()
    assert module.now() == at.timestamp()
    return bool(module.datetime.now(dt.UTC) == at)


class Project:
    """Modules of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> Path:
        *packages, module = name.split(".")
        folder = self.folder
        for package in packages:
            folder /= package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        file = folder / f"{module}.py"
        file.write_text(source)
        importlib.invalidate_caches()
        return file

    def load(self, name: str, source: str) -> Any:
        self.write(name, source)
        top = name.partition(".")[0]
        for loaded in [key for key in sys.modules if key.partition(".")[0] == top]:
            del sys.modules[loaded]  # the true one may be installed
        return importlib.import_module(name.removesuffix(".__init__"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.modules.copy()
    yield Project(tmp_path)
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)


def from_source(project: Project) -> Callable[[], Any]:
    project.write("late", SEES)
    return lambda: importlib.import_module("late")


def from_bytecode(project: Project) -> Callable[[], Any]:
    source = project.write("late", SEES)
    py_compile.compile(str(source), str(source.with_suffix(".pyc")))
    source.unlink()
    return lambda: importlib.import_module("late")


def from_a_zip_file(project: Project) -> Callable[[], Any]:
    archive = project.folder / "late.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("late.py", SEES)
    sys.path.insert(0, str(archive))  # monkeypatch puts the path back
    return lambda: importlib.import_module("late")


def rewritten_by_pytest(project: Project) -> Callable[[], Any]:
    pytest.register_assert_rewrite("late_and_rewritten")
    project.write("late_and_rewritten", SEES)
    return lambda: importlib.import_module("late_and_rewritten")


def again(project: Project) -> Callable[[], Any]:
    module = project.load("late", SEES)
    return lambda: importlib.reload(module)


def by_hand(project: Project) -> Callable[[], Any]:
    spec: Any = spec_from_file_location("late", project.write("late", SEES))
    module = module_from_spec(spec)

    def execute() -> ModuleType:
        spec.loader.exec_module(module)
        return module

    return execute


def at_the_first_look(project: Project) -> Callable[[], Any]:
    spec: Any = spec_from_file_location("late", project.write("late", SEES))
    spec.loader = LazyLoader(spec.loader)
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)

    def look() -> Any:
        assert module.seen
        return module

    return look


class OwnLoader(Loader):
    """A loader that executes what it has."""

    def create_module(self, _: object) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        exec(SEES, vars(module))  # noqa: S102 - what loaders do


class OwnSource(InspectLoader):
    """A loader that leaves the executing to Python."""

    def get_source(self, _: str) -> str:
        return SEES


def by(loader: Loader) -> Callable[[Project], Callable[[], Any]]:
    def prepare(_: Project) -> Callable[[], Any]:
        spec: Any = spec_from_loader("late", loader)
        module = module_from_spec(spec)

        def execute() -> ModuleType:
            spec.loader.exec_module(module)
            return module

        return execute

    return prepare


class TestImported:
    """A module that is imported while the clock runs."""

    @pytest.mark.parametrize(
        "prepare",
        [
            from_source,
            from_bytecode,
            from_a_zip_file,
            rewritten_by_pytest,
            again,
            by_hand,
            at_the_first_look,
            pytest.param(by(OwnLoader()), id="by a loader of the user's"),
            pytest.param(by(OwnSource()), id="by a loader that only gives the source"),
        ],
    )
    def test_it_executes_with_real_classes(
        self, prepare: Callable[[Project], Callable[[], Any]], project: Project
    ) -> None:
        """However it is loaded: real as it executes, virtual as long as the clock runs, real."""
        load = prepare(project)
        with running():
            module = load()

            assert module.seen == REAL_CLASSES * 2
            assert is_virtual(module)
            assert (dt.datetime, dt.date) == (FakeDatetime, FakeDate)

        assert is_real(module)

    def test_so_does_an_extension(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those of a single phase execute as they are created."""
        seen: list[object] = []

        def spy(name: str) -> None:
            method = vars(ExtensionFileLoader)[name]

            def look(loader: object, target: object) -> Any:
                seen.append((name, dt.datetime, dt.date))
                return method(loader, target)

            monkeypatch.setattr(ExtensionFileLoader, name, look)

        spy("create_module")
        spy("exec_module")
        # Debian builds most of them into the interpreter, and which differs.
        specs: list[Any] = [find_spec(name) for name in ("_json", "_hashlib", "_ssl", "_sqlite3")]
        file = next(spec.origin for spec in specs if type(spec.loader) is ExtensionFileLoader)
        spec: Any = spec_from_file_location(Path(file).name.partition(".")[0], file)
        with running():
            spec.loader.exec_module(module_from_spec(spec))

        assert seen == [
            ("create_module", REAL["datetime"], REAL["date"]),
            ("exec_module", REAL["datetime"], REAL["date"]),
        ]

    def test_classes_can_be_derived(self, project: Project) -> None:
        """With a metaclass too, as pydantic.v1 does; and nothing is derived from a fake."""
        with running():
            late = project.load(
                "late",
                f"{BINDS}class Meta(type): pass\nclass Day(date, metaclass=Meta): pass\n",
            )

            assert late.Day.__bases__ == (REAL["date"],)
            assert late.Day.fromisoformat("2026-01-01") == AT.date()

    def test_modules_inside_each_other(self, project: Project) -> None:
        """A package and what it imports see the same, until the outermost has executed."""
        project.write("late.parts.part", SEES)
        project.write("late.parts.__init__", f"{SEES}from late.parts import part\n{SEES}")
        with running():
            late = project.load("late.__init__", f"{SEES}import late.parts\n{SEES}")
            for module in (late, late.parts, late.parts.part):
                assert module.seen == REAL_CLASSES * 2
                assert is_virtual(module)

        assert all(map(is_real, (late, late.parts, late.parts.part)))

    def test_time_stands_still_meanwhile(self, project: Project) -> None:
        """The functions of `time` are virtual, and so is what modules loaded before have bound."""
        early = project.load("early", BINDS)
        with running() as clock:
            late = project.load(
                "late",
                "import early, time\nfrom datetime import UTC\n"
                "time.sleep(60)\nshown = early.datetime.now(UTC), early.now(), time.time()\n",
            )

            assert clock.elapsed == 60.0
            assert late.shown == (clock.now, clock.now.timestamp(), clock.now.timestamp())

        assert is_real(early)

    def test_an_import_that_fails(self, project: Project) -> None:
        """What was imported on the way stays, and nothing stays as it was in the midst of it."""
        project.write("late.part", f"{SEES}KEPT = []\n")
        project.write("late.__init__", f"{BINDS}from late import part\npart.KEPT += [vars()]\n1/0")
        with running():
            with pytest.raises(ZeroDivisionError):
                importlib.import_module("late")

            assert (dt.datetime, dt.date) == (FakeDatetime, FakeDate)
            part: Any = sys.modules["late.part"]
            assert is_virtual(part)

        assert is_real(part)
        assert {name: part.KEPT[0][name] for name in REAL} == REAL

    def test_it_is_as_other_modules(self, project: Project) -> None:
        """Its loader is its own; sources and resources are found."""
        (project.folder / "late").mkdir()
        (project.folder / "late" / "prompt.txt").write_text("hi")
        with running():
            late = project.load("late.__init__", SEES)

            assert type(late.__loader__) is type(late.__spec__.loader) is SourceFileLoader
            assert inspect.getsource(late) == SEES
            assert importlib.resources.files("late").joinpath("prompt.txt").read_text() == "hi"

    def test_its_warnings_name_who_imports_it(self, project: Project) -> None:
        """A warning about the caller of a module is one about the line that imports it."""
        project.write("late", "import warnings\nwarnings.warn('old', FutureWarning, 2)\n")
        with running(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            __import__("late")

        assert [warning.filename for warning in caught] == [__file__]

    def test_its_errors_show_no_frame_of_ours(self, project: Project) -> None:
        """A traceback goes from the line that imports to the line that fails."""
        broken = project.write("late", "1/0\n")
        with running(), pytest.raises(ZeroDivisionError) as caught:
            __import__("late")

        frames = traceback.extract_tb(caught.value.__traceback__)
        assert [frame.filename for frame in frames] == [__file__, str(broken)]

    def test_a_script_is_no_module(self, project: Project) -> None:
        """What runpy runs sees what the test sees."""
        script = project.write("late", "import datetime as dt\nNOW = dt.datetime.now(dt.UTC)\n")
        with running():
            assert runpy.run_path(str(script))["NOW"] == AT
            assert runpy.run_module("late")["NOW"] == AT

    @pytest.mark.parametrize("moment", ["before", "meanwhile"])
    def test_a_module_of_the_harness_keeps_real_time(self, moment: str, project: Project) -> None:
        """What runs the tests is not to see virtual time, imported late or not."""
        name = "pytest_benchmark.timers"
        before = project.load(name, SEES) if moment == "before" else None
        with running():
            timers = before or project.load(name, SEES)

            assert is_real(timers)

    @pytest.mark.parametrize("moment", ["before", "meanwhile"])
    @pytest.mark.parametrize(
        "package",
        [
            pytest.param("pandas", id="one that is known for it"),
            pytest.param("sdk", id="an SDK like those of openai and anthropic"),
        ],
    )
    def test_a_package_that_compares_classes_keeps_them(
        self, moment: str, package: str, project: Project
    ) -> None:
        """Its functions are virtual, and the classes real: annotations name those."""
        source = f"{BINDS}def construct_type(type_): return type_ is datetime\n"
        before = project.load(f"{package}._models", source) if moment == "before" else None
        with running():
            models = before or project.load(f"{package}._models", source)

            assert models.construct_type(REAL["datetime"])
            assert models.now() == AT.timestamp()

        assert is_real(models)

    def test_such_a_package_may_take_them_from_a_module_that_has_fakes(
        self, project: Project
    ) -> None:
        """The class it is given by a module loaded before is the real one as well."""
        project.load("early", BINDS)
        with running():
            late = project.load("pandas.late", "from early import date, datetime, now\n")

            assert (late.date, late.datetime) == (REAL["date"], REAL["datetime"])
            assert late.now() == AT.timestamp()

    def test_one_that_has_been_removed_is_restored(self, project: Project) -> None:
        """Its functions may be in use for long."""
        with running():
            late = project.load("late", BINDS)
            del sys.modules["late"]

        assert is_real(late)


@pytest.fixture
def slow(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module whose import takes until `gate` is opened, in a thread outside the clock."""
    slow: Any = ModuleType("slow")
    slow.begin, slow.begun, slow.gate = (threading.Event() for _ in range(3))
    monkeypatch.setitem(sys.modules, "slow", slow)
    project.write("late", f"{SEES}import slow\nslow.begun.set()\nslow.gate.wait(30)\n{SEES}")

    def load() -> None:
        slow.begin.wait(30)
        slow.module = importlib.import_module("late")

    slow.thread = threading.Thread(target=load)
    slow.thread.start()
    yield slow
    slow.begin.set()
    slow.gate.set()
    slow.thread.join()


@pytest.mark.timeout(60)
class TestThreads:
    """Imports that take place at the same time."""

    def test_each_thread_settles_its_own_modules(self, slow: Any, project: Project) -> None:
        """A module is virtual once its own import has ended, whoever still imports something."""
        with running():
            slow.begin.set()
            slow.begun.wait()
            fast = project.load("fast", SEES)

            assert fast.seen == REAL_CLASSES * 2
            assert fast.datetime.now(dt.UTC) == AT
            assert dt.datetime is REAL["datetime"]

            slow.gate.set()
            slow.thread.join()

            assert slow.module.seen == REAL_CLASSES * 2
            assert slow.module.datetime is dt.datetime is FakeDatetime

        assert is_real(fast)
        assert is_real(slow.module)

    def test_an_import_that_outlives_the_clock(self, slow: Any) -> None:
        """What it has bound is real when it ends."""
        with running():
            slow.begin.set()
            slow.begun.wait()
        slow.gate.set()
        slow.thread.join()

        assert is_real(slow.module)
        assert (dt.datetime, dt.date) == (REAL["datetime"], REAL["date"])

    def test_a_module_that_changes_at_the_same_moment(self) -> None:
        """Its names are bound and deleted by a thread while clocks start and stop."""
        busy: Any = ModuleType("busy")
        sys.modules["busy"] = busy
        done = threading.Event()

        def change() -> None:
            while not done.is_set():
                for n in range(1_000):
                    setattr(busy, f"name_{n}", time.time)
                for n in range(1_000):
                    delattr(busy, f"name_{n}")

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(20):
                with running():
                    pass
        finally:
            done.set()
            thread.join()
            del sys.modules["busy"]

        left = [value for name, value in vars(busy).items() if name.startswith("name_")]
        assert all(value is REAL["now"] for value in left)


class TestLoaded:
    """A module that was there before the clock."""

    @pytest.mark.parametrize("name", ["openai_poller", "queue_worker", "pytest_jobs", "numpyish"])
    def test_it_is_known_by_its_whole_name(self, name: str, project: Project) -> None:
        """Freezegun ignores by prefix; a module of the user's is not ignored for how it begins."""
        early = project.load(name, BINDS)
        with running():
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
        with freeze_time("2030-01-01"), running():
            pass
        with running():
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
        with running():
            pass
        exec(change, vars(early))  # noqa: S102 - as code of the module itself
        with running():
            assert getattr(early, name)() == AT.timestamp()

        assert getattr(early, name) is REAL["now"]

    @pytest.mark.parametrize("name", ["more", "time"], ids=["a new name", "a usual name"])
    def test_what_changed_in_a_library_is_seen(self, name: str, project: Project) -> None:
        """Its names change no more once it has been imported, but for patches and late imports."""
        early = project.load("library", "import time as t\ntime = None\n")
        early.__file__ = threading.__file__
        with running():
            pass
        setattr(early, name, time.time)
        with running():
            assert getattr(early, name)() == AT.timestamp()

        assert getattr(early, name) is REAL["now"]

    @pytest.mark.parametrize("name", ["now", "more"])
    def test_what_is_bound_meanwhile_is_restored(self, name: str, project: Project) -> None:
        """A module may have as many names as before, and yet one of them means a fake now."""
        early = project.load("early", "now = None\n")
        with running():
            setattr(early, name, time.time)

        assert getattr(early, name) is REAL["now"]

    def test_what_is_bound_to_a_fake_afterwards_is_restored_by_the_next(
        self, project: Project
    ) -> None:
        """A monkeypatch may put a fake back when the clock is gone; until then it acts real."""
        early = project.load("early", "now = None\n")
        with running():
            fake = time.time
        early.now = fake
        assert early.now() == pytest.approx(time.time(), abs=60)
        with running():
            assert early.now() == AT.timestamp()

        assert early.now is REAL["now"]

    @pytest.mark.parametrize("back", [False, True], ids=["for good", "for some time"])
    def test_one_that_has_been_removed_is_restored(self, back: bool, project: Project) -> None:
        """Tests delete modules to import them anew, and pytest may put them back later."""
        early = project.load("early", BINDS)
        with running():
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
        with running():
            early.client = None

            assert len(early.gone) == 1

    def test_values_are_told_apart_by_address(self) -> None:
        """What id() says of each, of any kind and in order, out of a tuple of CPython's."""
        values: list[object] = [time.time, 1, "a", None, object(), Project, 10**30]
        globals_ = {str(n): value for n, value in enumerate(values)}

        addresses = rebinding._addresses([{}, globals_, {"more": Project}])

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
        with running():
            monkeypatch.setitem(sys.modules, "odd", make())
        with running():
            pass
        with running():
            monkeypatch.delitem(sys.modules, "odd")

        assert dt.datetime is REAL["datetime"]


class TestOthersFreezes:
    """Freezegun and time-machine, used by the test itself."""

    def test_a_freeze_around_shows_its_time_to_late_modules(self, project: Project) -> None:
        """Inside the clock and after it, until the freeze ends."""
        at = dt.datetime(2030, 5, 5, tzinfo=dt.UTC)
        early = project.load("early", SEES)
        with freeze_time("2030-05-05"):
            with running():
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
        with running():
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
            with running():
                late = project.load("late", BINDS)
                late.sleep(60)

                assert late.datetime is REAL["datetime"]
                assert late.now() == at.timestamp() + 60

            assert is_real(late)


class TestOnImport:
    """Who waits for a module that may be imported while the clock runs."""

    @pytest.fixture
    def rebound(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Clock]]:
        clocks: list[Clock] = []

        def start(module: str, callback: Callable[[ModuleType], object]) -> Clock:
            def patches(module: ModuleType) -> list[Patch]:
                callback(module)
                return []

            monkeypatch.setitem(session._LATER, module, patches)
            clocks.append(Clock())
            clocks[-1].start()
            return clocks[-1]

        yield start
        for clock in clocks:
            clock.stop()

    def test_is_told_once(self, rebound: Callable[..., Clock], project: Project) -> None:
        """When the outermost import has ended: what imports the module has executed too."""
        told: list[object] = []
        rebound("late.part", lambda part: told.append((part.__name__, sys.modules["late"].done)))
        project.write("late.part", "")
        late = project.load("late.__init__", "from late import part\ndone = True\n")
        importlib.reload(late.part)

        assert told == [("late.part", True)]

    def test_is_told_of_none_that_failed(
        self, rebound: Callable[..., Clock], project: Project
    ) -> None:
        """But when the module can be imported at last."""
        told: list[ModuleType] = []
        rebound("late", told.append)
        with pytest.raises(ZeroDivisionError):
            project.load("late", "1/0")
        assert told == []

        late = project.load("late", "more = 'so that the file differs'")
        assert told == [late]

    def test_is_told_of_none_that_was_not_imported(
        self, rebound: Callable[..., Clock], project: Project
    ) -> None:
        """A file may be executed by hand, under any name, without being in sys.modules."""
        told: list[ModuleType] = []
        rebound("late", told.append)
        by_hand(project)()

        assert told == []

    def test_is_told_of_a_lazy_module_when_it_executes(
        self, rebound: Callable[..., Clock], project: Project
    ) -> None:
        """Not when its loader has made it lazy."""
        told: list[ModuleType] = []
        rebound("late", told.append)
        spec: Any = spec_from_file_location("late", project.write("late", SEES))
        spec.loader = LazyLoader(spec.loader)
        module = sys.modules["late"] = module_from_spec(spec)
        spec.loader.exec_module(module)
        assert told == []

        assert module.seen
        assert told == [module]

    def test_may_refuse_it(self, rebound: Callable[..., Clock], project: Project) -> None:
        """The import fails with the error, and everything is put back as ever."""

        def refuse(_: ModuleType) -> None:
            raise ValueError

        made = rebound("late", refuse)
        with pytest.raises(ValueError, match=r"^$"):
            project.load("late", BINDS)
        made.stop()

        assert project.load("late", BINDS)

    @pytest.mark.timeout(60)
    def test_is_not_told_of_an_import_that_ends_afterwards(
        self, rebound: Callable[..., Clock], slow: Any
    ) -> None:
        """Who waited is gone by then."""
        told: list[ModuleType] = []
        made = rebound("late", told.append)
        slow.begin.set()
        slow.begun.wait()
        made.stop()
        slow.gate.set()
        slow.thread.join()

        assert slow.module
        assert told == []

    def test_is_told_nothing_afterwards(
        self, rebound: Callable[..., Clock], project: Project
    ) -> None:
        """Nor is anything left in the loaders."""
        before = [vars(owner)[name] for owner, name in imports._loading_methods()]
        told: list[ModuleType] = []
        made = rebound("late", told.append)
        during = [vars(owner)[name] for owner, name in imports._loading_methods()]
        made.stop()
        project.load("late", "")

        assert told == []
        assert not {*before} & {*during}
        assert [vars(owner)[name] for owner, name in imports._loading_methods()] == before


KINDS: dict[str, tuple[Callable[[], Any], object]] = {
    "datetime": (lambda: dt.datetime, "2025-01-01T00:00:00Z"),
    "date": (lambda: dt.date, "2025-01-01"),
    "datetime | None": (lambda: dt.datetime | None, "2025-01-01T00:00:00Z"),
    "date | datetime": (lambda: dt.date | dt.datetime, "2025-01-01T12:00:00Z"),
    "list[datetime]": (lambda: list[dt.datetime], ["2025-01-01T00:00:00Z"]),
    "dict[date, datetime]": (lambda: dict[dt.date, dt.datetime], {"2025-01-01": "2025-01-01"}),
    "AwareDatetime": (lambda: AwareDatetime, "2025-01-01T00:00:00Z"),
    "NaiveDatetime": (lambda: NaiveDatetime, "2025-01-01T00:00:00"),
}


class TestPydantic:
    """Models that are defined while the clock runs."""

    @pytest.mark.parametrize(("kind", "value"), KINDS.values(), ids=KINDS.keys())
    def test_a_type_is_what_it_is_outside(self, kind: Callable[[], Any], value: object) -> None:
        """The same schema, the same values of the real classes, the same JSON."""

        def describe() -> list[object]:
            adapter: TypeAdapter[Any] = TypeAdapter(kind())
            read = adapter.validate_python(value)
            return [adapter.json_schema(), read, repr(read), adapter.dump_json(read)]

        with running():
            inside = describe()

        assert inside == describe()

    def test_models_and_dataclasses(self) -> None:
        """They take what datetime.now() gives, and what they read is a datetime."""
        with running():

            class Job(BaseModel):
                at: dt.datetime
                day: dt.date | None = None

            @dataclass
            class Run:
                at: dt.datetime

            class Old(pydantic.v1.BaseModel):
                at: dt.datetime
                day: dt.date | None = None

            models: list[Any] = [Job, Run, Old]
            for model in models:
                for value in (dt.datetime.now(dt.UTC), AT, AT.isoformat(), AT.timestamp()):
                    assert model(at=value).at == AT
                    assert isinstance(model(at=value).at, dt.datetime)
            expected = {"title": "At", "type": "string", "format": "date-time"}
            assert Job.model_json_schema()["properties"]["at"] == expected
            assert Old.schema()["properties"]["at"] == expected

        assert Job(at=AT).model_dump_json() == '{"at":"2026-01-01T00:00:00Z","day":null}'

    def test_a_model_may_outlive_the_clock(self) -> None:
        """Others are derived from it later; its fields still name the fake."""
        with running():

            class Job(BaseModel):
                at: dt.datetime

        class Late(Job):
            n: int = 0

        assert Late.model_validate({"at": AT.isoformat()}).at == AT

    def test_a_class_of_the_users_is_none_of_pydantics(self) -> None:
        """As outside: it has to say by itself how it is validated."""
        with running():

            class Moment(dt.datetime):
                pass

            with pytest.raises(PydanticSchemaGenerationError, match="Moment"):
                TypeAdapter(Moment)


KEEPERS = {
    "cryptography.x509": "class InvalidityDate:\n"
    " def __init__(self, _): pass\n"
    " def public_bytes(self): kept.append(dt.datetime)\n",
    "polars": "def lit(_): kept.append(dt.datetime)\n",
}


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
class TestPreparedLibraries:
    """Libraries that would refuse a fake, or keep it; tests/libraries tries the true ones."""

    def test_sqlalchemys_types_are_found_by_a_fake(self, moment: str, project: Project) -> None:
        """It looks them up by the class of a value, or of an annotation."""
        source = "import datetime as dt\n_type_map = {dt.date: 'DATE', dt.datetime: 'DATETIME'}\n"
        name = "sqlalchemy.sql.sqltypes"
        before = project.load(name, source) if moment == "before" else None
        with running():
            types = before or project.load(name, source)

            assert types._type_map[type(dt.datetime.now(dt.UTC))] == "DATETIME"
            assert types._type_map[dt.date] == "DATE"

    @pytest.mark.parametrize("name", KEEPERS)
    def test_what_keeps_a_class_for_good_keeps_the_real_one(
        self, name: str, moment: str, project: Project
    ) -> None:
        """Extensions take the class at their first use; later tests would fail on real times."""
        source = f"import datetime as dt\nkept = []\n{KEEPERS[name]}"
        before = project.load(name, source) if moment == "before" else None
        with running():
            library = before or project.load(name, source)

            assert {*library.kept} == {REAL["datetime"]}

    @pytest.mark.parametrize("name", imports.PREPARATIONS)
    def test_one_of_another_version_is_left_alone(
        self, name: str, moment: str, project: Project
    ) -> None:
        """A private name that has gone costs what it was for, and nothing else."""
        before = project.load(name, BINDS) if moment == "before" else None
        with running():
            assert (before or project.load(name, BINDS)).now() == AT.timestamp()
