"""Seeded sequences of operations by every way to the emulator, with three majors of the SDK.

    python tests/differential.py [--sequences 500] [--first 0] [--ways socket]

Makes a virtual environment for each major (kept in the folder for temporary files). There each
sequence of support/sequences.py runs by each way. Prints where observations differ first; the exit
status is 1 if any do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = Path(tempfile.gettempdir()) / "fakebatch-differential"
PIP = ["python3", "-m", "pip", "--quiet", "--disable-pip-version-check"]
SDKS = [*tomllib.loads((ROOT / ".ci/commands.toml").read_text())["sdks"], "3.*"]


class Observed(NamedTuple):
    """What one way has shown in one sequence; nothing: the same as a way before."""

    seed: int
    way: str
    as_at_socket: bool
    """Whether it is a sequence that leaves out what differs at a socket."""
    observations: list[Any]


def main() -> int:
    """Run the sequences in each environment, side by side, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--ways", default="", help="those with this in their names: socket")
    parser.add_argument("--observe", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.sequences)
    if arguments.observe:
        for observed in observe(seeds, arguments.ways):
            print(json.dumps(observed), flush=True)
        return 0
    return compare(seeds, arguments.ways)


def observe(seeds: range, ways: str) -> Iterator[Observed]:
    """Each sequence by each way, in this environment; what is the same again is left out."""
    from support.sequences import observations  # noqa: PLC0415  # openai is not everywhere
    from support.ways import WAYS  # noqa: PLC0415

    for seed in seeds:
        shown: list[Any] = []
        for name, way in WAYS.items():
            if ways not in name:
                continue
            observed = json.loads(json.dumps(observations(seed, name)))
            is_known = (way.as_at_socket, observed) in shown
            yield Observed(seed, name, way.as_at_socket, [] if is_known else observed)
            shown.append((way.as_at_socket, observed))


def compare(seeds: range, ways: str) -> int:
    """Read the lines of all environments at once: each holds one observation at a time."""
    from support.sequences import difference  # noqa: PLC0415

    options = [f"--sequences={len(seeds)}", f"--first={seeds.start}", f"--ways={ways}"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    running = [
        subprocess.Popen(  # noqa: S603
            [python(sdk), __file__, *options, "--observe"],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for sdk in SDKS
    ]
    differing: list[str] = []
    compared = 0
    first: dict[tuple[int, bool], list[Any]] = {}
    for lines in zip(*(process.stdout or () for process in running), strict=True):
        for sdk, line in zip(SDKS, lines, strict=True):
            observed = Observed(*json.loads(line))
            compared += 1
            if not observed.observations:
                continue  # the same as by another way of this SDK
            sequence = observed.seed, observed.as_at_socket
            if sequence not in first:
                first = {sequence: observed.observations}
            elif where := difference(first[sequence], observed.observations):
                differing.append(f"seed {observed.seed}, {observed.way}, openai {sdk}\n  {where}")
                print(differing[-1], flush=True)
    if any(process.wait() for process in running):
        return 1
    print(f"{len(seeds)} sequences, {compared} runs, {len(differing)} differ")
    return 1 if differing else 0


def python(sdk: str) -> Path:
    """The Python of an environment with what the project needs and a major of the SDK."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ENVIRONMENTS / f"{here}-openai-{sdk.partition('.')[0]}"
    if not folder.exists():
        venv.create(folder, symlinks=os.name != "nt")
        pip = [*PIP, "--python", str(folder), "install"]
        subprocess.run([*pip, str(ROOT), f"openai=={sdk}"], check=True)  # noqa: S603
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


if __name__ == "__main__":
    raise SystemExit(main())
