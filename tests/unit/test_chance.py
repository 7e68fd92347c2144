"""What is drawn from `random` while a fake is active, and that nothing of it stays."""
# ruff: noqa: S311  # nothing here is a secret

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from random import random as bound_by_name

import openai
import pytest
import tenacity

from fakebatch import FakeBatch


def _sdk_retries(fake: FakeBatch) -> float:
    fake.on_call("batches.list", times=2).fail(503)
    openai.OpenAI().batches.list()
    return fake.clock.elapsed


def _tenacity_retries(fake: FakeBatch) -> float:
    retrying = tenacity.Retrying(
        wait=tenacity.wait_random(1, 60), stop=tenacity.stop_after_attempt(3), sleep=time.sleep
    )
    with suppress(tenacity.RetryError):
        retrying(lambda: 1 / 0)
    return fake.clock.elapsed


DRAWN: dict[str, Callable[[FakeBatch], object]] = {
    "the jitter of the SDK": _sdk_retries,
    "the jitter of tenacity": _tenacity_retries,
    "a number": lambda _: random.random(),
    "a number by a function that was imported by name": lambda _: bound_by_name(),
    "a choice": lambda _: random.sample(range(1_000_000), 3),
}


@pytest.mark.parametrize("drawn", DRAWN)
def test_the_seed_of_the_fake_decides_what_is_drawn(drawn: str) -> None:
    """The same seed draws the same, whatever was drawn before; another seed draws otherwise."""
    results = []
    for seed in (1, 1, 2):
        random.random()
        with FakeBatch(seed=seed) as fake:
            results.append(DRAWN[drawn](fake))

    assert results[0] == results[1] != results[2]


def _seeds(_: FakeBatch) -> None:
    random.seed(5)


def _fails(_: FakeBatch) -> None:
    raise ValueError


def _enters_another(_: FakeBatch) -> None:
    with FakeBatch(seed=2):
        random.random()


def _leaves_in_another_order(outer: FakeBatch) -> None:
    inner = FakeBatch(seed=2)
    inner.__enter__()
    outer.__exit__(None, None, None)
    random.random()
    inner.__exit__(None, None, None)
    outer.__enter__()


@pytest.mark.parametrize("act", [_seeds, _fails, _enters_another, _leaves_in_another_order])
def test_the_state_of_random_is_put_back(act: Callable[[FakeBatch], None]) -> None:
    """To the bit, however the fake was left and whatever was drawn inside."""
    random.gauss(0, 1)  # of two numbers that are made, the state keeps one
    before = random.getstate()
    with suppress(ValueError), FakeBatch() as fake:
        act(fake)

    assert random.getstate() == before


def test_a_fake_inside_takes_nothing_from_the_one_around() -> None:
    """What the outer one draws does not depend on whether there was an inner one."""
    with FakeBatch():
        expected = random.random()
    with FakeBatch():
        with FakeBatch():
            random.random()
        assert random.random() == expected


def test_a_test_may_seed_for_itself() -> None:
    """Its own seed holds from then on."""
    random.seed(5)
    expected = random.random()
    with FakeBatch():
        random.seed(5)
        assert random.random() == expected


def test_generators_of_the_test_are_left_alone() -> None:
    """What was made of a seed of its own goes on as if there was no fake."""
    mine, twin = random.Random(5), random.Random(5)
    with FakeBatch():
        assert [mine.random() for _ in range(3)] == [twin.random() for _ in range(3)]
    assert mine.getstate() == twin.getstate()


JITTER = """
import openai, pytest, random
from fakebatch import FakeBatch

@pytest.fixture(scope="module")
def service():
    with FakeBatch() as fake: yield fake

def test_without(): print("own", random.random())

def test_first(fakebatch):
    fakebatch.on_call("batches.list", times=2).fail(503)
    openai.OpenAI().batches.list()
    print("drawn", fakebatch.clock.elapsed)

@pytest.mark.parametrize("n", range(2))
def test_then(service, n): print("drawn", random.random())
"""


def test_it_is_the_same_beside_pytest_randomly(pytester: pytest.Pytester) -> None:
    """Which seeds before each phase of a test, and otherwise in every run."""
    pytester.makepyfile(JITTER)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    seeds = ("1", "2")
    runs = [
        pytester.runpytest_inprocess("-s", "--randomly-seed", seed, "--randomly-dont-reorganize")
        for seed in seeds
    ]

    for run in runs:
        run.assert_outcomes(passed=4)
    lines = [[line for line in run.outlines if "drawn" in line] for run in runs]
    assert len(lines[0]) == 3
    assert lines[0] == lines[1]
    own = {line for run in runs for line in run.outlines if "own" in line}
    assert len(own) == len(seeds)
