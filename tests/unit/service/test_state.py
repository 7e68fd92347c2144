from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.request_lines import RequestLine
from fakebatch.rules.batches import BatchRule, IgnoreWindow
from fakebatch.rules.files import FileRule, Processing
from fakebatch.rules.lines import Fail, LineRule, Reply
from fakebatch.rules.loading import dump, read
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service, State
from fakebatch.service.state import Rate
from fakebatch.service.view import batch_object
from fakebatch.wire.app import App
from support.batches import CHAT, SCHEDULE, T0, failing, line, requests
from support.calling import BATCH, call, upload


class Provider:
    """An app, and the time it has."""

    def __init__(self, scenario: Scenario) -> None:
        self.now = T0
        self.service = Service(OPENAI, seed=b"0")
        self.state: State = self.service.state
        self.state.scenario = scenario
        self.app = App(self.service, clock=lambda: self.now, api_keys=None)

    def create(self, content: bytes = requests(10)) -> str:  # bytes never change
        file = upload(self.app, content)
        batch = call(self.app, "POST", "/batches", {**BATCH, "input_file_id": file["id"]})
        return str(self.state.batches.retrieve(_id(batch.body), self.now).id)

    def output(self, batch: str) -> bytes:
        self.state.settle(self.now)
        file = self.seen(batch)["output_file_id"]
        return bytes(self.state.files.retrieve(file, self.now).content)

    def seen(self, batch: str) -> Any:
        return batch_object(self.state.batches.retrieve(batch, self.now), self.now)


def _id(body: bytes) -> str:
    return body.decode().partition('"id": "')[2].partition('"')[0]


def shout(line: RequestLine) -> str:
    return str(line.custom_id).upper()


def replies(answer: Callable[[RequestLine], str]) -> Scenario:
    return Scenario(schedule=SCHEDULE, otherwise=LineRule(reply=Reply(answer)))


def is_first(line: RequestLine) -> bool:
    return line.index == 0


CALLABLES: dict[str, tuple[Scenario, str]] = {
    "a predicate": (Scenario(on=(LineRule(is_first, fail=Fail(429)),)), "where=is_first"),
    "an answer of a rule": (Scenario(on=(LineRule(reply=Reply(shout)),)), "answer=shout"),
    "an answer to all": (Scenario(otherwise=LineRule(reply=Reply(shout))), "answer=shout"),
}


@pytest.mark.parametrize(("scenario", "name"), CALLABLES.values(), ids=CALLABLES)
def test_a_callable_of_the_test_is_not_pickled(scenario: Scenario, name: str) -> None:
    """Also if only a batch that exists knows it; three lines name it and say what to do."""
    provider = Provider(scenario)
    provider.create()
    provider.state.scenario = Scenario()
    with pytest.raises(UsageError, match=name) as caught:
        pickle.dumps(provider.state)
    assert str(caught.value).count("\n") == 2


def test_a_pickled_state_holds_no_results() -> None:
    """Of a batch that has ended it holds the input alone: the output file is made again."""
    provider = Provider(failing("r-1"))
    batch = provider.create(requests(100))
    provider.now += 3_600 * SECOND
    output = provider.output(batch)
    pickled = pickle.dumps(provider.state)

    assert len(pickled) < len(output)
    other = Provider(Scenario())
    other.state.restore(pickle.loads(pickled))  # noqa: S301  # our own
    other.now = provider.now
    assert other.output(batch) == output


def test_no_lock_is_held_while_a_callable_answers() -> None:
    """Other threads may do what they like meanwhile, and so may the callable."""
    uploaded: list[str] = []

    def answer(_: RequestLine) -> str:
        def work() -> None:
            uploaded.append(upload(provider.app)["id"])

        work()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
        return "ok"

    provider = Provider(replies(answer))
    batch = provider.create(requests(1))
    provider.now += 3_600 * SECOND

    assert b"ok" in provider.output(batch)
    assert len({*uploaded}) == 2


def test_no_lock_is_held_while_a_predicate_selects() -> None:
    """It may call as well, though the batch is looked at to see whether it has ended."""
    seen: list[int] = []

    def where(_: RequestLine) -> bool:
        seen.append(call(provider.app, "GET", "/files").status)
        return False

    rules = (LineRule(where, fail=Fail(429)),)
    provider = Provider(Scenario(schedule=SCHEDULE, on=rules))
    batch = provider.create()
    provider.now += 3_600 * SECOND

    assert call(provider.app, "GET", "/files").status == 200
    assert provider.seen(batch)["status"] == "completed"
    assert seen == [200] * 10


def test_a_callable_cannot_call_for_what_it_makes() -> None:
    """The results of its own batch: that is an error, in place of calling itself for ever."""

    def answer(_: RequestLine) -> str:
        return str(provider.seen(batch))

    provider = Provider(replies(answer))
    batch = provider.create(requests(1))
    provider.now += 3_600 * SECOND
    with pytest.raises(UsageError, match="depend on themselves"):
        provider.output(batch)


def test_two_threads_cancel_one_batch_once() -> None:
    """Both hear of one cancel, at one moment."""
    provider = Provider(Scenario(schedule=SCHEDULE))
    batch = provider.create()
    together, heard = threading.Barrier(8), list[Any]()

    def cancel() -> None:
        together.wait()
        heard.append(provider.service.batches.cancel(batch, provider.now))

    threads = [threading.Thread(target=cancel) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [heard[0]] * 8


READY, GOES_ON = Processing(0), IgnoreWindow()
RULES = Scenario(
    on=(LineRule(fail=Fail(429)), LineRule(custom_id="none", fail=Fail(429))),
    on_file=(FileRule(nth=2, times=2, processing=READY), FileRule(nth=9, processing=READY)),
    on_batch=(
        BatchRule(endpoint="/v1/embeddings", ignore_window=GOES_ON),
        BatchRule(endpoint=CHAT, ignore_window=GOES_ON),
    ),
)


def test_a_rule_counts_what_it_meets() -> None:
    """Uploads, batches that are created and direct calls, by family and place in the scenario."""
    provider = Provider(RULES)
    for _ in range(3):
        provider.create()
    provider.service.respond(CHAT, line(None, model="m", messages=[]).body, provider.now)

    assert provider.state.hits == {("on_file", 0): 2, ("on_batch", 1): 3, ("on", 0): 1}


SCENARIOS: dict[str, tuple[Callable[[Scenario], Scenario], set[tuple[str, int]]]] = {
    "with a rule more": (
        lambda scenario: scenario.with_rule(FileRule(processing=READY)),
        {("on_file", 0), ("on_batch", 1)},
    ),
    "that was written and read": (
        lambda scenario: read(dump(scenario)),
        {("on_file", 0), ("on_batch", 1)},
    ),
    "with a rule before": (
        lambda scenario: Scenario(on_file=RULES.on_file[1:]) | scenario,
        {("on_batch", 1)},
    ),
    "without a rule": (lambda _: Scenario(), set()),
}


@pytest.mark.parametrize(("change", "kept"), SCENARIOS.values(), ids=SCENARIOS)
def test_counts_belong_to_rules(
    change: Callable[[Scenario], Scenario], kept: set[tuple[str, int]]
) -> None:
    """Under another scenario those go on whose rule stands where it stood."""
    provider = Provider(RULES)
    for _ in range(2):
        provider.create()
    provider.state.scenario = change(provider.state.scenario)
    assert {*provider.state.hits} == kept


def test_a_rate_knows_when_it_is_free_again() -> None:
    """Once all its calls count no more; at once, if another is allowed now. Limits may change."""
    rate = Rate(per=60)
    assert [rate.allows(2, now) for now in (0, 10, 20)] == [True, True, False]
    assert [rate.frees(limit) for limit in (1, 2, 3, None)] == [70, 70, 0, 0]
