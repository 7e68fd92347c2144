"""The package: its public names and what help() shows."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import get_args
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fakebatch
from fakebatch import FakeBatch
from fakebatch.batch.lifecycle import Status
from fakebatch.dialects import DIALECTS, DialectName
from fakebatch.dialects.dialect import OPERATIONS, BatchStatus
from fakebatch.rules.calls import OperationPattern
from fakebatch.vtime.clock import Mode
from fakebatch.wire import operations


@pytest.mark.parametrize("name", fakebatch.__all__)
def test_a_public_name_is_there(name: str) -> None:
    """Each is loaded when it is first used, and listed by dir()."""
    assert callable(getattr(fakebatch, name))  # a class or a function, no module
    assert name in dir(fakebatch)


def test_the_version_is_that_of_the_distribution() -> None:
    """`fakebatch.__version__`, as other packages have it."""
    assert fakebatch.__version__ == metadata.version("fakebatch")


def test_the_wheel_has_every_data_file(tmp_path: Path) -> None:
    """Those of dialects, bodies and incidents, in their folders."""
    root = Path(fakebatch.__file__).parents[1]
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=root, check=True)  # noqa: S603
    [wheel] = tmp_path.glob("*.whl")
    files = {str(path.relative_to(root)) for path in (root / "fakebatch").rglob("*.toml")}

    assert files <= {*ZipFile(wheel).namelist()}
    assert {"fakebatch/incidents/results", "fakebatch/dialects", "fakebatch/bodies"} <= {
        str(Path(name).parent) for name in files
    }


def test_another_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'fakebatch' has no attribute 'Mock'"):
        _ = fakebatch.Mock


def test_the_import_loads_nothing_else() -> None:
    """Every pytest run of an environment imports the package."""
    code = "import fakebatch, sys; print([m for m in sys.modules if m.startswith('fakebatch.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("literal", "values"),
    [
        pytest.param(DialectName, [*DIALECTS], id="the dialects"),
        pytest.param(BatchStatus, [*Status], id="the statuses of a batch"),
        pytest.param(Mode, ["virtual", "manual", "real"], id="the clocks"),
    ],
)
def test_type_checkers_know_every_name(literal: object, values: list[str]) -> None:
    """The names that they accept are the names that exist."""
    assert sorted(get_args(literal)) == sorted(values)


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="the lowest versions need other packages")
def test_constraints_pin_what_the_tests_install() -> None:
    """Every distribution of the extra `dev`, also those that others need; `nox -s constraints`."""
    root = Path(__file__).parents[2]
    pinned = {
        canonicalize_name(line.partition("==")[0])
        for line in (root / "constraints.txt").read_text().splitlines()
    }
    installed = set[str]()
    waiting: list[tuple[str, tuple[str, ...]]] = [("fakebatch", ("cli", "server", "dev"))]
    while waiting:
        name, extras = waiting.pop()
        for requirement in map(Requirement, metadata.requires(name) or ()):
            environments = [{"extra": extra} for extra in ("", *extras)]
            needed = requirement.marker is None or any(
                map(requirement.marker.evaluate, environments)
            )
            each = canonicalize_name(requirement.name)
            if needed and each not in installed:
                installed.add(each)
                waiting.append((each, tuple(requirement.extras)))
    assert installed - {"fakebatch"} <= pinned


def test_what_a_change_must_pass_is_a_session_of_nox() -> None:
    """`.ci/run` is for pip alone: the workflows run all of `.ci/commands.toml` by sessions."""
    root = Path(__file__).parents[2]
    sessions = (root / "noxfile.py").read_text()
    read = re.findall(r'COMMANDS\["(\w+)"\]', sessions)
    assert {*read} == {*tomllib.loads((root / ".ci/commands.toml").read_text())}
    workflow = (root / ".github/workflows/tests.yml").read_text()
    [run] = re.findall(r"session: \[(.*)\]", workflow)
    assert {*run.split(", "), "tests"} <= {*re.findall(r"(?m)^def (\w+)\(session", sessions)}
    assert "gauntlet" in run


def test_every_operation_has_a_handler() -> None:
    """The names for type checkers are those of the handlers; each usual pattern selects some."""
    names = {operation.name for operation in operations.OPERATIONS}
    assert names == {*OPERATIONS}
    fake = FakeBatch(unused_rules="ignore")
    for pattern in get_args(OperationPattern):
        fake.on_call(pattern).fail(503)


def test_help_lists_what_hangs_on_a_fake() -> None:
    """Attributes that are set in `__init__` would not be in it by themselves."""
    text = pydoc.plain(pydoc.render_doc(FakeBatch))
    public = {name for name in vars(FakeBatch()) if not name.startswith("_")}
    assert sorted(name for name in public if f"    {name}: " not in text) == []
