"""What the plugin costs a test run: where no test uses it, and each test that does.

    python benchmarks/start.py

Start-up is that of whole pytest processes. The fixture is entered and left with openai loaded,
beside what nobody can do without: a freeze with the ignore list it needs, and two respx mockers.
The first of a process imports fakebatch too. Modules are compiled beforehand, as pip leaves them.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measuring import about

RUNS = 15
WITHOUT = "respx's plugin, without ours"
ENVIRONMENTS = {
    WITHOUT: ["-p", "no:fakebatch"],
    "the same and ours": [],
    "neither": ["-p", "no:respx", "-p", "no:fakebatch"],
    "ours alone (-p no:respx)": ["-p", "no:respx"],
}

FIXTURE = textwrap.dedent("""
    import statistics, sys, time
    cpu = (time.process_time,)  # in a tuple, where freezegun does not find it
    import openai, httpx2, respx, pytest_httpx2, freezegun
    openai.OpenAI(api_key="sk-dummy").batches  # what is loaded lazily is loaded now
    from openai.types import Batch, FileObject

    IGNORED = ["openai", "httpx", "httpx2", "httpcore", "httpcore2", "respx", "pydantic", "anyio"]

    def floor():
        freeze = freezegun.freeze_time("2026-01-01", ignore=IGNORED)
        freeze.start()
        with respx.mock(using="httpcore"), respx.mock(using="httpcore2"):
            pass
        freeze.stop()

    def manual():
        from fakebatch import FakeBatch
        with FakeBatch(clock="manual"):
            pass

    def virtual():
        from fakebatch import FakeBatch
        with FakeBatch(clock="virtual"):
            pass

    def taken(work):
        began = cpu[0]()
        work()
        return (cpu[0]() - began) * 1000

    work = {"floor": floor, "manual": manual, "virtual": virtual}[sys.argv[1]]
    first = taken(work)
    print(first, statistics.median(taken(work) for _ in range(200)))
""")


def run(*command: str, folder: str) -> tuple[float, str]:
    """Seconds of processor time of a process, and what it printed."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "compiled"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = _of_children()
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return _of_children() - began, done.stdout


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_up(folder: str) -> None:
    """One test that passes, in interleaved runs."""
    Path(folder, "test_one.py").write_text("def test_one():\n    assert True\n")
    taken: dict[str, list[float]] = {name: [] for name in ENVIRONMENTS}
    for _ in range(1 + RUNS):
        for name, options in ENVIRONMENTS.items():
            ours = (
                "-p",
                "no:cacheprovider",
                "-p",
                "no:pytest_httpx2",
            )  # of `dev`: it loads respx too
            command = (sys.executable, "-m", "pytest", "-q", *ours, *options)
            taken[name].append(run(*command, folder=folder)[0])
    taken = {name: times[1:] for name, times in taken.items()}  # the first one compiles
    floor = taken[WITHOUT]
    print("\na pytest run that does not use it: processor seconds, median and least of", RUNS)
    for name, times in taken.items():
        middle, least = statistics.median(times), min(times)
        ratio = statistics.median(a / b for a, b in zip(times, floor, strict=True))
        print(f"  {name:30} {middle:.2f} {least:.2f}   {ratio:.2f} of the first, pairwise")


def fixture(folder: str) -> None:
    """Enter and exit: the first of a process, and the median of two hundred after it."""
    Path(folder, "enter.py").write_text(FIXTURE)
    print("\nenter and exit, ms: first in a process, then; medians of 5 processes")
    for name in ("floor", "manual", "virtual"):
        command = (sys.executable, "enter.py", name)
        run(*command, folder=folder)  # compiles
        runs = [run(*command, folder=folder)[1].split() for _ in range(5)]
        first, then = (statistics.median(map(float, each)) for each in zip(*runs, strict=True))
        print(f"  {name:10} {first:7.1f} {then:7.2f}")


def main() -> None:
    """The command."""
    about()
    with tempfile.TemporaryDirectory() as folder:
        start_up(folder)
        fixture(folder)


if __name__ == "__main__":
    main()
