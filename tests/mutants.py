"""Mutation testing of the packages that decide what a client sees: which mutant fails no test?

    python tests/mutants.py [--mutants 400] [--judge 60] [--seconds 60] [--survivors [FILE ...]]

Needs coverage, and cosmic-ray, whose operators make the mutants. The first run records in copies of
the project which tests execute which lines, and for how long. Then each mutant is judged by the
tests that execute its line, the nearest and cheapest first. `--seconds` bounds what these took; a
later run with more seconds judges what lives. With `--survivors` this is judged by files of tests,
such as new ones, or by all of TESTS. Results are kept in the folder of `--state`, so that the work
can be done in several runs.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import accumulate, islice, product
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import coverage
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["batch", "service", "wire", "rules"]
PARTS = [["tests/unit", "tests/laws", "--ignore=tests/unit/vtime"], ["tests/contract"]]
"""The tests, in parts that take about the same time. Each part has a copy of the project."""

TESTS = [argument for part in PARTS for argument in part]
HERE = {str(ROOT), str(ROOT / "tests")}
LIBRARIES = [
    *("openai.resources", "openai.types.eval_create_params", "openai.types.responses"),
    *("httpx", "respx", "trio", "hypothesis.strategies", "anyio.pytest_plugin", "_pytest.pytester"),
]
"""Each mutant gets a process that has these already: their import takes longer than most tests."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["__main__", *LIBRARIES])

PYTEST = ["-m", "pytest", "-q", *("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "mutants")]

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


class Recorder:
    """A plugin of pytest: the lines that a test executes, as a context of coverage; its time.

    What the tables of a file of tests execute when it is imported has the file as context.
    """

    def __init__(self) -> None:
        self.seconds = Counter[str]()
        self.failed = set[str]()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        if (running := coverage.Coverage.current()) and isinstance(collector, pytest.Module):
            running.switch_context(collector.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if running := coverage.Coverage.current():
            running.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration  # type: ignore[assignment]
        if not report.passed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if coverage.Coverage.current():
            passed = {test: self.seconds[test] for test in self.seconds if test not in self.failed}
            (session.config.rootpath / "seconds.json").write_text(json.dumps(passed))


def pytest_configure(config: pytest.Config) -> None:
    """This file is a plugin itself: `-p mutants`."""
    config.pluginmanager.register(Recorder())


class Recorded:
    """What the copies have recorded."""

    def __init__(self, copies: list[Path]) -> None:
        self.seconds: dict[str, float] = {}
        for copy in copies:
            self.seconds |= json.loads((copy / "seconds.json").read_text())
        by_function = defaultdict[str, list[str]](list)
        for test in sorted(self.seconds, key=self.seconds.__getitem__):
            by_function[test.split("[")[0]].append(test)
        self.rank = {test: n for tests in by_function.values() for n, test in enumerate(tests)}
        self.contexts = [(copy, coverage.CoverageData(str(copy / "contexts"))) for copy in copies]
        for _, data in self.contexts:
            data.read()

    def limit(self, tests: list[str]) -> float:
        """What takes so many seconds hangs: it is not only slow, on a machine with more to do."""
        known = sum(self.seconds.get(test, 0) for test in tests)
        return 120 + 4 * (known or sum(self.seconds.values()))

    @cache  # noqa: B019
    def contexts_by_line(self, file: str) -> dict[int, set[str]]:
        by_line = defaultdict[int, set[str]](set)
        for copy, data in self.contexts:
            for line, contexts in data.contexts_by_lineno(str(copy / file)).items():
                by_line[line] |= {*contexts}
        return by_line

    def tests_of(self, mutant: Mutant) -> dict[str, float]:
        """The tests that execute the line, and how long they took with all before them.

        For a line that runs at import they are those of the whole file. Those of the package come
        first, then one case of each parametrized test. Tests that fail without a mutant, too, are
        left out.
        """
        by_line = self.contexts_by_line(mutant.file)
        contexts = by_line.get(mutant.line, set[str]())
        if not self.seconds.keys() & contexts:
            contexts = set[str]().union(*by_line.values())
        tests = {test for test in self.seconds if {test, test.split("::")[0]} & contexts}
        nearest = f"tests/unit/{mutant.file.split('/')[1]}/"

        def order(test: str) -> tuple[bool, int, float]:
            return not test.startswith(nearest), self.rank[test], self.seconds[test]

        ordered = sorted(tests, key=order)
        return dict(zip(ordered, accumulate(map(self.seconds.__getitem__, ordered)), strict=True))


# --- judging


class Result(NamedTuple):
    """What became of a mutant: "killed", "hung", "survived" or "survived all"."""

    outcome: str
    seconds: float
    """So much of the tests of its line it has survived."""


NEW = Result("survived", 0)


def judge(copy: Path, mutant: Mutant, tests: list[str], seconds: float) -> str:
    """What becomes of it: "survived", "killed", or "hung" if the tests take longer."""
    file = copy / mutant.file
    source, times = file.read_text(), file.stat()
    file.write_text(mutated(copy, mutant))
    try:
        code = run(copy, tests, seconds=seconds)
        if code == pytest.ExitCode.USAGE_ERROR:  # cases of a table that the mutant does not have
            code = run(copy, sorted({test.split("::")[0] for test in tests}), seconds=900)
    finally:
        file.write_text(source)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # its bytecode is valid again
    return "survived" if code == 0 else "hung" if code is None else "killed"


def run(copy: Path, tests: list[str], *, seconds: float) -> int | None:
    """Run tests in the copy up to the first that fails. Returns the exit code; None: they hang."""
    process = FORKS.Process(target=_run_here, args=(copy, tests))
    process.start()
    process.join(seconds)
    if process.exitcode is None and process.pid:
        os.killpg(process.pid, 9)  # tests start processes
        process.join()
        return None
    return process.exitcode


def _run_here(copy: Path, tests: list[str]) -> None:
    """In a process of its own, which has imported other libraries, and nothing of the project."""
    gc.freeze()  # the libraries need not be searched for garbage
    os.setpgid(0, 0)
    os.chdir(copy)
    os.environ |= environment(copy) | {"PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    sys.path[:] = [str(copy), str(copy / "tests"), *(path for path in sys.path if path not in HERE)]
    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    imported = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # that is known
    os._exit(pytest.main([*PYTEST[2:], *imported, "-x", *tests]))


def environment(copy: Path) -> dict[str, str]:
    """The variables of a process that imports the copy."""
    path = os.pathsep.join([str(copy), str(copy / "tests")])
    return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}


def record(copies: list[Path]) -> None:
    """Each copy runs a part of the tests. The bytecode that is written is of the code unchanged."""
    sources = ",".join(f"fakebatch/{name}" for name in PACKAGES)
    command = [sys.executable, *["-m", "coverage", "run", "--rcfile=", "--data-file=contexts"]]
    command += [f"--source={sources}", *PYTEST]
    new = [copy for copy in copies if not (copy / "seconds.json").exists()]
    for copy in new:
        collect = [sys.executable, *PYTEST, "--collect-only", *TESTS]  # for the bytecode alone
        subprocess.run(collect, cwd=copy, env=environment(copy), check=True)  # noqa: S603
    recording = [
        subprocess.Popen([*command, *part], cwd=copy, env=environment(copy))  # noqa: S603
        for copy, part in zip(copies, PARTS, strict=True)
        if copy in new
    ]
    for process in recording:
        process.wait()


def prepare(copies: list[Path], unchanged: Path, files: list[str]) -> None:
    """Copy the project once. What a run that was interrupted has changed is as it was."""
    if not unchanged.exists():
        tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()  # noqa: S607
        for copy, file in product(copies, map(Path, tracked)):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, copy / file)
        shutil.copytree(copies[0] / "fakebatch", unchanged)
    for copy in copies:
        shutil.copytree(unchanged, copy / "fakebatch", dirs_exist_ok=True)
        for test in files:
            shutil.copy2(ROOT / test, copy / test)


def main() -> int:
    """Judge what has not been judged, and print how many live."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--judge", type=int, default=10**6, help="at most so many in this run")
    parser.add_argument("--seconds", type=float, default=math.inf, help="of tests for each")
    parser.add_argument("--survivors", nargs="*", metavar="FILE", help="judge these, by all tests")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir(), "mutants"))
    arguments = parser.parse_args()
    state: Path = arguments.state
    files: list[str] | None = arguments.survivors
    sampled, results_file = state / f"sample-{arguments.mutants}.json", state / "results.jsonl"
    copies = [state / f"copy-{n}" for n in range(len(PARTS))]
    prepare(copies, state / "unchanged", files or [])
    record(copies)
    if not sampled.exists():
        sampled.write_text(json.dumps(sample(copies[0], arguments.mutants, seed=0)))
    mutants = [Mutant(*fields) for fields in json.loads(sampled.read_text())]
    lines = results_file.read_text().splitlines() if results_file.exists() else []
    results = defaultdict[str, Result](lambda: NEW)
    results |= {mutant: Result(*result) for mutant, *result in map(json.loads, lines)}
    recorded = Recorded(copies)
    free = SimpleQueue[Path]()
    for copy in copies:
        free.put(copy)

    def judge_next(mutant: Mutant) -> None:
        before = results[str(mutant)]
        if files is None:
            seconds = arguments.seconds
            by = recorded.tests_of(mutant).items()
            tests = [test for test, so_far in by if before.seconds < so_far <= seconds]
        else:
            seconds, tests = before.seconds, files or TESTS
        copy = free.get()
        outcome = judge(copy, mutant, tests, recorded.limit(tests)) if tests else "survived"
        free.put(copy)
        if outcome == "survived" and files == []:
            outcome = "survived all"
        results[str(mutant)] = Result(outcome, seconds)
        print(mutant, outcome, flush=True)
        with results_file.open("a") as written:
            written.write(json.dumps([str(mutant), outcome, seconds]) + "\n")

    def is_due(result: Result) -> bool:
        in_turn = result.seconds > 0 if files is not None else result.seconds < arguments.seconds
        return result.outcome == "survived" and in_turn

    due = [mutant for mutant in mutants if is_due(results[str(mutant)])]
    with ThreadPoolExecutor(len(copies)) as pool:
        deque(pool.map(judge_next, due[: arguments.judge]), maxlen=0)
    ends = (results[str(mutant)] for mutant in mutants)
    print(Counter("to be judged" if end == NEW else end.outcome for end in ends))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
