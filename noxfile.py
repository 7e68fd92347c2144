"""What the workflows run, and anybody can (CONTRIBUTING.md); `.ci/run` is for pip alone."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
COMMANDS = tomllib.loads(Path(".ci/commands.toml").read_text())
OLDER = {sdk.partition(".")[0]: sdk for sdk in COMMANDS["sdks"]}
CONSTRAINTS = "constraints.txt"
PINNED = ("-c", CONSTRAINTS)
CONTRACT = ("hypothesis>=6.100", "pytest-xdist>=3.6")
PYTEST = ("python", "-m", "pytest", "-n", "auto")

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs"]


@nox.session(python=[*nox.project.python_versions(PROJECT), "3.14t"])
@nox.parametrize("sdk", [*OLDER, "3"])
def tests(session: nox.Session, sdk: str) -> None:
    """The suite with the newest major of the SDK; the contract with those before."""
    if sdk in OLDER:
        session.install(".", *CONTRACT, f"openai=={OLDER[sdk]}")
        session.run(*PYTEST, *(session.posargs or ["tests/contract"]))
    else:
        session.install(*PINNED, "-e", ".[dev]")
        if shutil.which("npm"):
            for command in COMMANDS["clients"]:
                session.run(*command.split(), external=True)
        session.run(*PYTEST, *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
@nox.parametrize("sdk", [*OLDER, "3"])
def lowest(session: nox.Session, sdk: str) -> None:
    """The same with the oldest versions that pyproject.toml allows."""
    resolution = ("--resolution", "lowest-direct")
    if sdk in OLDER:
        session.install(*resolution, ".", *CONTRACT, f"openai=={OLDER[sdk]}")
    else:
        pytest = next(name for name in PROJECT["project"]["dependencies"] if "pytest" in name)
        against_dev = Path(session.create_tmp(), "pytest.txt")
        against_dev.write_text(pytest)
        session.install(*resolution, "-e", ".[dev]", "--override", str(against_dev))
    # pytest 8 does not read [tool.pytest]
    options = ("-p", "pytester", "-p", "no:asyncio")
    default = "tests/contract" if sdk in OLDER else "tests"
    session.run(*PYTEST, *options, *(session.posargs or [default]))


@nox.session(python="3.13")
def coverage(session: nox.Session) -> None:
    """Branches of the code that the suite executes, in child processes too: as many as ever."""
    session.install(*PINNED, "-e", ".[dev]")
    session.run("coverage", "erase")
    session.run("coverage", "run", *PYTEST[1:], *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", "--skip-covered")


@nox.session
def differential(session: nox.Session) -> None:
    """Sequences of operations by every way to the emulator, with each SDK: all show the same."""
    session.install(*PINNED, "-e", ".[dev]")
    session.run("python", "tests/differential.py", *session.posargs)


@nox.session(python="3.11")
def mutants(session: nox.Session) -> None:
    """Changes of the code that no test fails for. Arguments after -- say how many."""
    session.install(*PINNED, "-e", ".[dev]", "cosmic-ray>=8.4")
    session.run("python", "tests/mutants.py", *session.posargs)


@nox.session
def gauntlet(session: nox.Session) -> None:
    """The smoke set: twelve incidents, with the robust client of the examples."""
    session.install(*PINNED, "-e", ".[dev]")
    for command in COMMANDS["gauntlet"]:
        session.run("bash", "-euc", command, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """What the documents print runs; what they name is there."""
    session.install(*PINNED, "-e", ".[dev]")
    session.run(*PYTEST, "tests/docs")


@nox.session
def types(session: nox.Session) -> None:
    """Both checkers."""
    session.install(*PINNED, "-e", ".[dev]")
    for command in COMMANDS["types"]:
        session.run(*command.split())


@nox.session
def lint(session: nox.Session) -> None:
    """Code, layers, and the files around them."""
    tools = nox.project.dependency_groups(PROJECT, "repository")
    session.install(*PINNED, "-e", ".[dev]", *tools)
    for command in (*COMMANDS["lint"], *COMMANDS["repository"]):
        session.run(*command.split())


@nox.session
def build(session: nox.Session) -> None:
    """A wheel and a source distribution, in dist/."""
    session.install(*PINNED, "build")
    session.run("python", "-m", "build")


@nox.session(venv_backend="uv")
def constraints(session: nox.Session) -> None:
    """The newest versions, on any system and Python, into constraints.txt."""
    what = ("--all-extras", "--all-groups", "--no-emit-project", "--upgrade")
    form = ("--no-header", "--no-annotate", "--no-hashes", f"--output-file={CONSTRAINTS}")
    session.run("uv", "export", "--quiet", *what, *form, external=True)
