"""What the benchmarks share: processor time, peak memory, and the machine they ran on.

Processor time is what a shared machine disturbs least. It holds the threads of this process, and
no clock of ours freezes it.
"""

from __future__ import annotations

import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

MIB = 2**20
PACKAGES = ("openai", "httpx2", "httpx", "respx", "pytest-httpx2", "freezegun", "pydantic-core")

_CPU = (time.process_time,)  # in a tuple, where freezegun does not find it


def cpu() -> float:
    """Seconds of processor time this process has used."""
    return _CPU[0]()


def rounds(
    work: Mapping[str, Callable[[], object]],
    *,
    times: int,
    of: int,
    between: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Microseconds a call of each piece of work, in `of` interleaved rounds of `times` calls."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for call in work.values():
        call()
    for _ in range(of):
        between()
        for name, call in work.items():
            gc.collect()
            began = cpu()
            for _ in range(times):
                call()
            taken[name].append((cpu() - began) / times * 1e6)
    return taken


def table(taken: Mapping[str, list[float]], floor: str, unit: str = "us") -> None:
    """Print median and least of each, and the ratio of the least to that of `floor`."""
    print(f"{'':44} {'median':>10} {'least':>10}   ratio of least")
    for name, times in taken.items():
        middle, least = statistics.median(times), min(times)
        print(
            f"{name:44} {middle:7.1f} {unit} {least:7.1f} {unit}   {least / min(taken[floor]):.2f}"
        )


class Peak:
    """The most memory that was held at a time inside of a `with`, beyond what was before."""

    def __enter__(self) -> Self:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark starts anew
        self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.extra = _status("VmHWM") - self._before


def resident() -> int:
    """Bytes of memory this process holds."""
    gc.collect()
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def about() -> None:
    """Print where this was measured."""
    known = []
    for package in PACKAGES:
        try:
            known.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    print(
        f"Python {sys.version.split()[0]}, {platform.system()} {platform.machine()}; "
        + ", ".join(known)
    )
