"""Mutation testing of the packages that decide what a client sees: which mutant fails no test?

    python tests/mutants.py [--mutants 400] [--judge 60] [--survivors]

Needs coverage, and cosmic-ray, whose operators make the mutants. The first run records in a copy of
the project which tests execute which lines. Then each mutant is judged by the tests that execute
its line; with `--survivors`, those that live are judged by all of TESTS. Results are kept in the
folder of `--state`, so that the work can be done in several runs.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["batch", "service", "wire", "rules"]
TESTS = ["tests/unit", "tests/laws", "tests/contract", "--ignore=tests/unit/vtime"]
PYTEST = ["-m", "pytest", "-q", *("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "mutants")]
MOST_SECONDS = 900
"""A mutant that takes longer hangs, and counts as killed."""

OPERATORS = (
    # of each arithmetic operator the opposite; of comparisons all but `is` in place of `==`
    r"Add_Sub|Sub_Add|Mul_FloorDiv|FloorDiv_Mul|Div_Mul|Mod_Mul|Pow_Mul|Shift_Add|BitOr_BitAnd"
    r"|BitAnd_BitOr|Comparison.*_(Eq|NotEq|Lte?|Gte?)_(Eq|NotEq|Lte?|Gte?)$|Is_IsNot|IsNot_Is$"
    r"|Unary|AddNot|True|False|AndWithOr|OrWithAnd|Break|Exception|Number|ZeroIteration"
)
MESSAGES = {"UsageError", "RefusedRequest", "FakeBatchError", "FakeBatchWarning"}

Position = tuple[int, int]


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    operator: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator.removeprefix('core/')} {self.occurrence}"


# --- the sample


def sample(copy: Path, count: int, seed: int) -> list[Mutant]:
    """Mutants at so many places, each place as likely as any other."""
    from cosmic_ray import plugins  # type: ignore[import-not-found]  # noqa: PLC0415

    names = (name for name in plugins.operator_names() if re.search(OPERATORS, name, re.IGNORECASE))
    operators = {name: plugins.get_operator(name)() for name in names}
    files = sorted(file for name in PACKAGES for file in (copy / "fakebatch" / name).glob("*.py"))
    of_places = [each for file in files for each in places(copy, file, operators)]
    rng = random.Random(seed)  # noqa: S311
    rng.shuffle(of_places)
    chosen = (rng.choice(mutants) for mutants in of_places)
    return [*islice((mutant for mutant in chosen if _compiles(copy, mutant)), count)]


def places(copy: Path, file: Path, operators: Mapping[str, Any]) -> Iterator[list[Mutant]]:
    """The mutants of a file, those of one place together."""
    from cosmic_ray.ast import Visitor, get_ast  # type: ignore[import-not-found]  # noqa: PLC0415

    nodes: list[Any] = []

    class Collector(Visitor):  # type: ignore[misc]
        def visit(self, node: Any) -> Any:
            nodes.append(node)
            return node

    source = file.read_text()
    Collector().walk(get_ast(source))
    left_out = [*_left_out(ast.parse(source))]
    mutants = defaultdict[tuple[Position, Position], list[Mutant]](list)
    for name, operator in operators.items():
        positions = (position for node in nodes for position in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start and end <= last for first, last in left_out):
                mutant = Mutant(str(file.relative_to(copy)), start[0], name, occurrence)
                mutants[start, end].append(mutant)
    yield from mutants.values()


def _left_out(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """The parts of a file in which a mutant changes types, caches, or texts for the author."""
    for node in ast.walk(tree):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        parts += [*getattr(node, "decorator_list", ()), node if _is_type_or_text(node) else None]
        for part in filter(None, parts):
            yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def _is_type_or_text(node: ast.AST) -> bool:
    match node:
        case ast.FunctionDef(name="__repr__" | "__str__") | ast.If(test=ast.Name("TYPE_CHECKING")):
            return True
        case ast.keyword(arg="repr" | "example"):
            return True
        case ast.Call(func=ast.Name(name)):
            return name in MESSAGES
        case ast.BinOp(op=ast.BitOr(), left=ast.Name(left)):
            return left[0].isupper() or left in {"str", "int", "float", "bytes"}
        case _:
            return isinstance(node, ast.BinOp) and _is_type_or_text(node.left)


def _compiles(copy: Path, mutant: Mutant) -> bool:
    """Whether it is Python: to the operators, the `**` of a call is that of a power."""
    try:
        compile(mutated(copy, mutant), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


def mutated(copy: Path, mutant: Mutant) -> str:
    """The text of the file with the change."""
    from cosmic_ray import mutating, plugins  # noqa: PLC0415

    operator = plugins.get_operator(mutant.operator)()
    text: str = mutating.mutate_code((copy / mutant.file).read_text(), operator, mutant.occurrence)
    return text


# --- the tests that execute a line


class Contexts:
    """A plugin of pytest: the lines that a test executes are recorded under its node id."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if running := coverage.Coverage.current():
            running.switch_context(item.nodeid)
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """This file is a plugin itself: `-p mutants`."""
    config.pluginmanager.register(Contexts())


def tests_of(data: coverage.CoverageData, copy: Path, mutant: Mutant) -> list[str]:
    """The tests that execute the line; for one that runs at import those of the whole file."""
    by_line = data.contexts_by_lineno(str(copy / mutant.file))
    tests = set(by_line.get(mutant.line, ())) - {""}
    tests = tests or {test for tests in by_line.values() for test in tests} - {""}
    nearest = f"tests/unit/{mutant.file.split('/')[1]}/"
    order = [nearest, "tests/unit", "tests/contract", "tests/laws"]  # the last are slow
    return sorted(tests, key=lambda test: next(n for n, at in enumerate(order) if at in test))


# --- judging


def judge(copy: Path, mutant: Mutant, tests: list[str]) -> str:
    """What becomes of it: "survived", or "killed"."""
    file = copy / mutant.file
    source = file.read_text()
    file.write_text(mutated(copy, mutant))
    try:
        passed = not tests or run(copy, [*tests, "-x"], seconds=MOST_SECONDS)
    finally:
        file.write_text(source)
    return "survived" if passed else "killed"


def run(copy: Path, tests: list[str], *before: str, seconds: float | None = None) -> bool:
    """Run tests in the copy. Returns whether all have passed in time."""
    arguments = copy / "mutants.txt"
    arguments.write_text("\n".join(tests))
    path = os.pathsep.join([str(copy), str(copy / "tests")])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *before, *PYTEST, f"@{arguments}"]  # `-p` is not read from there
    output = None if seconds is None else subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603
        command, cwd=copy, env=environment, stdout=output, stderr=output, process_group=0
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # tests start processes
        return False


def main() -> int:
    """Copy and record once, judge what has not been judged, and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--judge", type=int, default=10**6, help="at most so many in this run")
    parser.add_argument("--survivors", action="store_true", help="judge these, by all tests")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir(), "mutants"))
    arguments = parser.parse_args()
    state: Path = arguments.state
    copy, contexts = state / "copy", state / "contexts"
    sampled, results_file = state / f"sample-{arguments.mutants}.json", state / "results.jsonl"
    if not copy.exists():
        files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()  # noqa: S607
        for file in map(Path, files):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
        shutil.copytree(copy / "fakebatch", state / "unchanged")
    shutil.copytree(state / "unchanged", copy / "fakebatch", dirs_exist_ok=True)
    if not contexts.exists():
        record = ["coverage", "run", "--rcfile=", f"--data-file={contexts}", "--source=fakebatch"]
        if not run(copy, TESTS, "-m", *record):
            contexts.unlink(missing_ok=True)
            return 1
    if not sampled.exists():
        sampled.write_text(json.dumps(sample(copy, arguments.mutants, seed=0)))
    mutants = [Mutant(*fields) for fields in json.loads(sampled.read_text())]
    data = coverage.CoverageData(str(contexts))
    data.read()
    lines = results_file.read_text().splitlines() if results_file.exists() else []
    results: dict[str, str] = dict(map(json.loads, lines))
    wanted = "survived" if arguments.survivors else None
    due = [mutant for mutant in mutants if results.get(str(mutant)) == wanted]
    for mutant in due[: arguments.judge]:
        tests = TESTS if arguments.survivors else tests_of(data, copy, mutant)
        outcome = judge(copy, mutant, tests)
        results[str(mutant)] = f"{outcome} all" if wanted and outcome == wanted else outcome
        print(mutant, results[str(mutant)], flush=True)
        with results_file.open("a") as written:
            written.write(json.dumps([str(mutant), results[str(mutant)]]) + "\n")
    print(Counter(results.get(str(mutant), "to be judged") for mutant in mutants))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
