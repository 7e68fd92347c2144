"""A module that is imported while the clock runs."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.resources
import inspect
import py_compile
import runpy
import sys
import traceback
import warnings
import zipfile
from collections.abc import Callable
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

import pytest
from freezegun.api import FakeDate, FakeDatetime

from fakebatch.vtime import Clock
from support.projects import (
    AT,
    BINDS,
    REAL,
    REAL_CLASSES,
    SEES,
    Project,
    by_hand,
    is_real,
    is_virtual,
)


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
        with Clock():
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
        with Clock():
            spec.loader.exec_module(module_from_spec(spec))

        assert seen == [
            ("create_module", REAL["datetime"], REAL["date"]),
            ("exec_module", REAL["datetime"], REAL["date"]),
        ]

    def test_classes_can_be_derived(self, project: Project) -> None:
        """With a metaclass too, as pydantic.v1 does; and nothing is derived from a fake."""
        with Clock():
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
        with Clock():
            late = project.load("late.__init__", f"{SEES}import late.parts\n{SEES}")
            for module in (late, late.parts, late.parts.part):
                assert module.seen == REAL_CLASSES * 2
                assert is_virtual(module)

        assert all(map(is_real, (late, late.parts, late.parts.part)))

    def test_time_stands_still_meanwhile(self, project: Project) -> None:
        """The functions of `time` are virtual, and so is what modules loaded before have bound."""
        early = project.load("early", BINDS)
        with Clock() as clock:
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
        with Clock():
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
        with Clock():
            late = project.load("late.__init__", SEES)

            assert type(late.__loader__) is type(late.__spec__.loader) is SourceFileLoader
            assert inspect.getsource(late) == SEES
            assert importlib.resources.files("late").joinpath("prompt.txt").read_text() == "hi"

    def test_its_warnings_name_who_imports_it(self, project: Project) -> None:
        """A warning about the caller of a module is one about the line that imports it."""
        project.write("late", "import warnings\nwarnings.warn('old', FutureWarning, 2)\n")
        with Clock(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            __import__("late")

        assert [warning.filename for warning in caught] == [__file__]

    def test_its_errors_show_no_frame_of_ours(self, project: Project) -> None:
        """A traceback goes from the line that imports to the line that fails."""
        broken = project.write("late", "1/0\n")
        with Clock(), pytest.raises(ZeroDivisionError) as caught:
            __import__("late")

        frames = traceback.extract_tb(caught.value.__traceback__)
        assert [frame.filename for frame in frames] == [__file__, str(broken)]

    def test_a_script_is_no_module(self, project: Project) -> None:
        """What runpy runs sees what the test sees."""
        script = project.write("late", "import datetime as dt\nNOW = dt.datetime.now(dt.UTC)\n")
        with Clock():
            assert runpy.run_path(str(script))["NOW"] == AT
            assert runpy.run_module("late")["NOW"] == AT

    @pytest.mark.parametrize("moment", ["before", "meanwhile"])
    def test_a_module_of_the_harness_keeps_real_time(self, moment: str, project: Project) -> None:
        """What runs the tests is not to see virtual time, imported late or not."""
        name = "pytest_benchmark.timers"
        before = project.load(name, SEES) if moment == "before" else None
        with Clock():
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
        with Clock():
            models = before or project.load(f"{package}._models", source)

            assert models.construct_type(REAL["datetime"])
            assert models.now() == AT.timestamp()

        assert is_real(models)

    def test_such_a_package_may_take_them_from_a_module_that_has_fakes(
        self, project: Project
    ) -> None:
        """The class it is given by a module loaded before is the real one as well."""
        project.load("early", BINDS)
        with Clock():
            late = project.load("pandas.late", "from early import date, datetime, now\n")

            assert (late.date, late.datetime) == (REAL["date"], REAL["datetime"])
            assert late.now() == AT.timestamp()

    def test_one_that_has_been_removed_is_restored(self, project: Project) -> None:
        """Its functions may be in use for long."""
        with Clock():
            late = project.load("late", BINDS)
            del sys.modules["late"]

        assert is_real(late)
