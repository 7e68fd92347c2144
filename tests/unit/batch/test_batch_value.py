"""A batch is a value: what follows from it is made once, kept over a cancel, and never pickled."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from fakebatch.batch import batch as module
from fakebatch.batch.batch import Batch
from fakebatch.batch.input_file import Validation, validate
from fakebatch.batch.output_file import ResultFile, results
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import Fail, LineRule, Reply
from fakebatch.rules.scenario import Scenario
from support.batches import SCHEDULE, after, batch, failing, requests

THREADS = 8


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines were judged, each time."""
    judged: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Validation:
        validation = validate(*args, **kwargs)
        judged.append(len(validation.lines))
        return validation

    monkeypatch.setattr(module, "validate", counted)
    return judged


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(look: Callable[[], object]) -> list[object]:
    """What so many threads see that look at the same moment."""
    together = Barrier(THREADS)

    def work(_: int) -> object:
        together.wait()
        return look()

    with ThreadPoolExecutor(THREADS) as pool:
        return [*pool.map(work, range(THREADS))]


@pytest.mark.usefixtures("hectic")
def test_threads_validate_a_batch_once(validations: list[int]) -> None:
    """Those that need it at the same moment wait for the one that does."""
    made = batch(requests(2_000))
    assert len({*map(str, at_once(lambda: made.counts(after(60))))}) == 1
    assert validations == [2_000]


@pytest.mark.usefixtures("hectic")
def test_threads_ask_the_callables_of_a_test_once() -> None:
    """A predicate once for each line, in line order, and so what answers."""
    selected: list[int | None] = []
    answered: list[int | None] = []

    def where(line: RequestLine) -> bool:
        selected.append(line.index)
        return False

    def answer(line: RequestLine) -> str:
        answered.append(line.index)
        return "ok"

    rules, otherwise = (LineRule(where, fail=Fail(429)),), LineRule(reply=Reply(answer))
    scenario = Scenario(schedule=SCHEDULE, on=rules, otherwise=otherwise)
    made = batch(requests(100), scenario=scenario)
    first, *others = at_once(lambda: results(made))
    assert all(other is first for other in others)
    assert selected == answered == [*range(100)]


@pytest.mark.usefixtures("hectic")
def test_a_batch_and_its_cancelled_self_validate_once(validations: list[int]) -> None:
    """Though one thread looks at the one, and another at the other."""
    made = batch(requests(2_000))
    cancelled = made.cancel(after(60))
    both = iter([made, cancelled] * (THREADS // 2))
    at_once(lambda: next(both).counts(after(50)))
    assert validations == [2_000]


def test_a_cancel_keeps_what_it_does_not_change(validations: list[int]) -> None:
    """Lines are not judged again, nor matched, nor put in order."""
    made = batch(scenario=failing("r-1"))
    counts, order = made.counts(after(60)), made.outcomes.order
    cancelled = made.cancel(after(60))

    assert cancelled.counts(after(600)) == counts
    assert cancelled.outcomes.order is order
    assert cancelled.outcomes is made.outcomes
    assert cancelled.timeline != made.timeline
    assert validations == [10]


def test_a_batch_without_its_input_is_judged_anew() -> None:
    """What was known of its lines is known no more."""
    made = batch()
    assert not made.fails
    assert made.without_input().fails


LOOKS: dict[str, Callable[[Batch], object]] = {
    "not looked at": lambda _: None,
    "validated": lambda made: made.counts(after(60)),
    "ended": results,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_pickled_batch_is_the_same_batch(look: Callable[[Batch], object]) -> None:
    """Equal, with the same future and the same files, and as small as before it was looked at."""
    made = batch(requests(100), scenario=failing("r-1"))
    size = len(pickle.dumps(made))
    look(made)
    again: Batch = pickle.loads(pickle.dumps(made))  # noqa: S301  # our own

    assert again == made
    assert (again.timeline, results(again)) == (made.timeline, results(made))
    assert len(pickle.dumps(made)) == size


@pytest.mark.parametrize("kind", ["output", "errors"])
def test_a_result_file_is_a_value(kind: Any) -> None:
    """The file of a batch, whose bytes are made by whoever reads them."""
    file = ResultFile(batch(scenario=failing("r-1")), kind)
    again: ResultFile = pickle.loads(pickle.dumps(file))  # noqa: S301  # our own
    assert again == file
    assert again.read() == file.read() != b""


def test_a_batch_is_what_it_was_made_of() -> None:
    """Two of the same are equal, whoever has looked at one; another input is another batch."""
    made = batch()
    results(made)
    assert made == batch() != replace(made, content=requests(9))


def test_two_threads_that_need_each_others_batches_do_not_wait_for_ever() -> None:
    """A callable may look at another batch, and that one's at the first: one of the two is told."""
    both = Barrier(2)
    batches: list[Batch] = []
    met: list[int] = []

    def looking_at(other: int) -> Callable[[RequestLine], str]:
        def answer(_: RequestLine) -> str:
            if len(met) < 2:  # the one that is not told looks again, alone
                met.append(other)
                both.wait(10)
            results(batches[other])
            return "hi"

        return answer

    for other in (1, 0):
        reply = LineRule(reply=Reply(looking_at(other)))
        scenario = Scenario(schedule=SCHEDULE, otherwise=reply)
        batches.append(batch(requests(1), scenario=scenario))
    with ThreadPoolExecutor(2) as pool:
        errors = [future.exception(20) for future in [pool.submit(results, b) for b in batches]]
    assert any("depend on themselves" in str(error) for error in errors)
