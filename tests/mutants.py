"""Mutation testing of the packages that decide what a client sees: which mutant fails no test?

    python tests/mutants.py [--mutants 400] [--judge 60] [--survivors]

Needs coverage and cosmic-ray, whose operators make the mutants. The first run records which tests
execute which lines, in a copy of the project. Then each mutant is judged by the tests that execute
its line, and with `--survivors` those that live are judged by all of TESTS. Results are kept in the
folder of `--state`, so the work can be done in several runs.
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
# a mutant that hangs is killed; virtual time does not wait, so that only real work takes long
MOST_SECONDS = 900
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
OPERATORS = (
    # of each arithmetic operator the opposite, of comparisons all but `is` in place of `==`
    "Add_Sub|Sub_Add|Mul_FloorDiv|FloorDiv_Mul|Div_Mul|Mod_Mul|Pow_Mul|Shift_Add|BitOr_BitAnd|BitAnd_BitOr"
    "|Comparison.*_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Eq|NotEq|Lt|LtE|Gt|GtE)$|Is_IsNot|IsNot_Is$"
    "|Unary|AddNot|True|False|AndWithOr|OrWithAnd|Break|Exception|Number|Decorator|ZeroIteration"
)
MESSAGES = {"UsageError", "RefusedRequest", "FakeBatchError", "FakeBatchWarning"}
CACHES = {"cache", "lru_cache", "cached_property", "once", "overload", "abstractmethod"}

Position = tuple[int, int]


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    operator: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator} {self.occurrence}"


# --- the sample


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
    found = defaultdict[tuple[Position, Position], list[Mutant]](list)
    for name, operator in operators.items():
        positions = (position for node in nodes for position in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start and end <= last for first, last in left_out):
                mutant = Mutant(str(file.relative_to(copy)), start[0], name, occurrence)
                found[start, end].append(mutant)
    yield from found.values()


def _left_out(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """The parts of a file in which a mutant changes nothing but types, texts or caches."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        match node:
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                parts = [annotation]
            case ast.FunctionDef(name="__repr__" | "__str__"):
                parts = [node]
            case ast.FunctionDef(returns=returns, decorator_list=decorators):
                parts = [returns, *filter(_is_cache, decorators)]
            case ast.ClassDef(decorator_list=decorators):
                parts = [*decorators]
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                parts = [node]
            case ast.Call(func=ast.Name(name)) if name in MESSAGES:
                parts = [node]
            case ast.keyword(arg="repr" | "example"):
                parts = [node]
            case ast.BinOp(op=ast.BitOr()) if _is_type(node):
                parts = [node]
        for part in filter(None, parts):
            at: Any = part
            shift = 1 if part in getattr(node, "decorator_list", ()) else 0  # the `@`
            start = (at.lineno, at.col_offset - shift)
            yield start, (at.end_lineno + shift, 0 if shift else at.end_col_offset)


def _is_cache(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id in CACHES


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.BinOp(left=left, right=right):
            return _is_type(left) and _is_type(right)
        case ast.Subscript(value=value):
            return _is_type(value)
        case ast.Name(id=name):
            return name[0].isupper() or name in {"str", "int", "float", "bytes", "tuple"}
        case _:
            return isinstance(node, ast.Constant) and node.value is None


def sample(copy: Path, count: int, seed: int) -> list[Mutant]:
    """Mutants at so many places, each place as likely as any other."""
    from cosmic_ray import plugins  # type: ignore[import-not-found]  # noqa: PLC0415

    operators = {
        name: plugins.get_operator(name)()
        for name in plugins.operator_names()
        if re.search(OPERATORS, name)
    }
    files = [file for name in PACKAGES for file in (copy / "fakebatch" / name).glob("*.py")]
    of_places = [mutants for file in sorted(files) for mutants in places(copy, file, operators)]
    rng = random.Random(seed)  # noqa: S311
    rng.shuffle(of_places)
    chosen = (rng.choice(mutants) for mutants in of_places)
    return [*islice((mutant for mutant in chosen if _compiles(copy, mutant)), count)]


def mutated(copy: Path, mutant: Mutant) -> str:
    """The text of the file with the change."""
    from cosmic_ray import mutating, plugins  # noqa: PLC0415

    operator = plugins.get_operator(mutant.operator)()
    text: str = mutating.mutate_code((copy / mutant.file).read_text(), operator, mutant.occurrence)
    return text


def _compiles(copy: Path, mutant: Mutant) -> bool:
    """Whether it is Python: to the operators `**` and `*` of a call are those of a sum."""
    try:
        compile(mutated(copy, mutant), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


# --- which tests execute a line


class Contexts:
    """A plugin of pytest: the lines that a test executes are recorded under its node id."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        running = coverage.Coverage.current()
        assert running is not None
        running.switch_context(item.nodeid)
        result = yield
        running.switch_context("")
        return result  # type: ignore[return-value]


def tests_of(data: coverage.CoverageData, copy: Path, mutant: Mutant) -> list[str]:
    """The tests that execute the line; for one that runs at import those of the whole file."""
    by_line = data.contexts_by_lineno(str(copy / mutant.file))
    tests = set(by_line.get(mutant.line, ())) - {""}
    return sorted(tests or {test for tests in by_line.values() for test in tests} - {""})


# --- judging


def judge(copy: Path, mutant: Mutant, tests: list[str]) -> str:
    """How it ends: "survived", "killed", or "slow", which is killed too."""
    file = copy / mutant.file
    source = file.read_text()
    file.write_text(mutated(copy, mutant))
    try:
        return run(copy, [*tests, "-x"])
    finally:
        file.write_text(source)


def run(copy: Path, tests: list[str], *before: str, seconds: float = MOST_SECONDS) -> str:
    """Run tests in the copy: "survived" if none fails."""
    listed = copy / "mutant-tests.txt"
    listed.write_text("\n".join(tests))
    path = os.pathsep.join([str(copy), str(copy / "tests")])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *before, *PYTEST, f"@{listed}"]
    # a group of its own, as tests start processes
    process = subprocess.Popen(  # noqa: S603
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return "slow"
    if before:
        print(output)
    return "survived" if process.returncode == 0 else "killed"


def main() -> int:
    """Record, sample, judge what has not been judged, and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judge", type=int, default=400, help="how many in this run")
    parser.add_argument("--survivors", action="store_true", help="judge these by all tests")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir(), "mutants"))
    arguments = parser.parse_args()
    copy, data_file = arguments.state / "copy", arguments.state / "contexts"
    if not copy.exists():
        names = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")  # noqa: S607
        for name in filter(None, names):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    if not data_file.exists():
        recording = ["-m", "coverage", "run", "--rcfile=", f"--data-file={data_file}"]
        recording += ["--source=fakebatch"]
        if run(copy, [*TESTS, "-p", "mutants"], *recording, seconds=10**6) != "survived":
            data_file.unlink(missing_ok=True)
            return 1
    data = coverage.CoverageData(str(data_file))
    data.read()
    sample_file = arguments.state / f"sample-{arguments.mutants}-{arguments.seed}.json"
    if not sample_file.exists():
        sample_file.write_text(json.dumps(sample(copy, arguments.mutants, arguments.seed)))
    results_file = arguments.state / f"results-{arguments.mutants}-{arguments.seed}.jsonl"
    lines = results_file.read_text().split("\n") if results_file.exists() else []
    results: dict[str, str] = dict(map(json.loads, filter(None, lines)))
    mutants = [Mutant(*mutant) for mutant in json.loads(sample_file.read_text())]
    if arguments.survivors:
        due = [mutant for mutant in mutants if results.get(str(mutant)) == "survived"]
    else:
        due = [mutant for mutant in mutants if str(mutant) not in results]
    for mutant in due[: arguments.judge]:
        tests = TESTS if arguments.survivors else tests_of(data, copy, mutant)
        outcome = judge(copy, mutant, tests)
        if arguments.survivors and outcome == "survived":
            outcome = "survived all"
        results[str(mutant)] = outcome
        print(mutant, outcome, f"({len(tests)} tests)", flush=True)
        with results_file.open("a") as written:
            written.write(json.dumps([str(mutant), outcome]) + "\n")
    print(*Counter(results.values()).items())
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """As `-p mutants` of the recording run."""
    config.pluginmanager.register(Contexts())


if __name__ == "__main__":
    raise SystemExit(main())
