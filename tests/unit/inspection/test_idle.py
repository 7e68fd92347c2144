"""Sleeps on and on: when a wait never ends, by what one client does and a clock moved by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from fakebatch import FakeBatchError
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.rules.batches import IgnoreWindow, Miscount, ResultFiles, Schedule, Stall
from fakebatch.rules.files import FileRule, NotFoundFor, Processing
from fakebatch.rules.lines import Hang, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Future, Service, State
from fakebatch.service.records import Attempt, Event
from fakebatch.vtime import callsite
from support.batches import SCHEDULE, T0
from support.waiting import DAY, FAILS, HOUR, STALLS, Run, batches, message, outage

# --- max_idle


def test_a_poller_learns_what_it_waits_for() -> None:
    """Where it waits, for what, since when nothing changes, and where the limit is written."""
    run = Run(FAILS)
    path = run.create()
    with pytest.raises(FakeBatchError) as caught:
        run.polls(path, every=60)
    assert message(caught.value) == [
        "fakebatch: the wait at test.py never ends.",
        (
            f"{path[9:]} is 'failed'. Nothing has changed since 2026-08-19T14:41:24Z, for 2d50s, "
            "and nothing is scheduled to change."
        ),
        (
            "End the loop at completed, failed, expired and cancelled, and at a deadline. To let "
            "it wait longer: @pytest.mark.fakebatch(max_idle='4d') or FakeBatch(max_idle='4d')."
        ),
    ]


stalled = pytest.mark.parametrize("status", STALLS)


def stalled_in(status: str) -> tuple[Run, str]:
    run = Run(STALLS[status])
    path = run.create()
    if status == "cancelling":
        run.call(f"{path}/cancel", "POST")
    return run, path


@stalled
@pytest.mark.parametrize("hours", [12, 40])
def test_a_client_with_a_deadline_comes_to_it(status: str, hours: int) -> None:
    """However the batch stalls, and although nothing will ever change."""
    run, path = stalled_in(status)
    run.polls(path, every=60, until=hours * HOUR)
    assert json.loads(run.call(path).body)["status"] == status


@stalled
def test_a_client_without_a_deadline_is_ended(status: str) -> None:
    """After twice the window of the batch that stalls."""
    run, path = stalled_in(status)
    assert 48 * HOUR <= run.is_ended(path) <= 48.5 * HOUR


@pytest.mark.parametrize(
    ("scenario", "days"),
    [
        pytest.param(STALLS["in_progress"], 14, id="it stalls"),
        pytest.param(Scenario(), 2, id="it has ended"),
    ],
)
def test_a_window_of_a_week_allows_two_weeks(scenario: Scenario, days: int) -> None:
    """As long as the batch has not ended."""
    week = replace(OPENAI.window, most="168h")
    run = Run(scenario, replace(OPENAI, window=week))
    path = run.create(window="168h")
    assert days * DAY <= run.is_ended(path, every=HOUR) <= (days + 0.2) * DAY


def test_two_days_of_polls_look_at_the_service_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is scheduled is not worked out for each sleep."""
    run, path = stalled_in("in_progress")
    looks: list[int] = []
    future = Service.future

    def counted(service: Service, now: int) -> Future:
        looks.append(now)
        return future(service, now)

    monkeypatch.setattr(Service, "future", counted)
    run.polls(path, every=60, until=47 * HOUR)
    assert len(looks) == 1


# --- what is scheduled


def schedule(**durations: Any) -> Scenario:
    return Scenario(schedule=Schedule(**durations))


def uploads(**verb: Any) -> Scenario:
    return Scenario(schedule=SCHEDULE, on_file=(FileRule(**verb),))


HANGS = Scenario(schedule=SCHEDULE, on=(LineRule(custom_id="r-3", hang=Hang()),))
QUICK = 115 / HOUR
"""When a batch of the usual schedule has ended."""

SCHEDULED: dict[str, tuple[Scenario, float]] = {
    "validation": (schedule(validating="20h"), 20 + 3_535 / HOUR),
    "the end of the work": (schedule(in_progress="23h"), 23 + 130 / HOUR),
    "the end of the window": (HANGS, 24 + 607 / HOUR),
    "work that goes on beyond the window": (
        batches({"ignore_window": IgnoreWindow()}, {"schedule": Schedule(in_progress="90h")}),
        90 + 15 / HOUR,
    ),
    "a stall that ends": (batches({"stall": Stall("finalizing", until="70h")}), 70 + QUICK),
    "counts that lag": (batches({"miscount": Miscount(late="30h")}), 30 + QUICK),
    "a result file that comes late": (
        batches({"result_files": ResultFiles(late="30h")}),
        30 + QUICK,
    ),
    "an upload that is being processed": (uploads(processing=Processing("50h")), 50),
    "an upload that cannot be found yet": (uploads(not_found_for=NotFoundFor("50h")), 50),
    "an outage that ends": (outage(between=("1h", "50h")), 50),
    "an outage that begins": (outage(between=("50h", None)), 50),
}


@pytest.mark.parametrize(("scenario", "last"), SCHEDULED.values(), ids=SCHEDULED)
def test_what_is_scheduled_may_be_waited_for(scenario: Scenario, last: float) -> None:
    """However long it takes: the time counts from the last change on."""
    run = Run(scenario, max_idle="10h")
    reply = run.try_to_create(run.upload())
    path = f"/batches/{json.loads(reply.body).get('id', 'batch_none')}"
    assert last + 10 <= run.is_ended(path, every=300) / HOUR <= last + 10.2


def test_who_polls_fast_may_wait_as_long() -> None:
    """The number of polls does not matter while something is scheduled."""
    run = Run(HANGS)
    path = run.create()
    while json.loads(run.call(path).body)["status"] != "expired":
        run.sleep(20)
    assert 24 * HOUR <= run.elapsed <= 24.2 * HOUR


def test_who_looks_at_a_file_may_wait_until_it_expires() -> None:
    """After thirty days, as batch files do."""
    run = Run()
    path = f"/files/{run.upload()}"
    while run.call(path).status == 200:
        run.sleep(HOUR)
    assert run.elapsed == 30 * DAY
    assert run.is_ended(path) <= 32.1 * DAY


def test_who_looks_at_a_batch_does_not_wait_for_files_to_expire() -> None:
    """Although its files will, and somebody has looked at one before."""
    run = Run()
    path = run.create()
    run.call(f"/files/{run.upload()}")
    assert run.is_ended(path) <= 2.1 * DAY


def test_who_may_not_create_yet_may_wait_until_then() -> None:
    """An hour after the creation that filled the limit."""
    run = Run(
        dialect=replace(OPENAI, limits=replace(OPENAI.limits, creates_per_hour=1)), max_idle="10m"
    )
    run.create()
    file = run.upload()
    while run.try_to_create(file).status == 429:
        run.sleep(5)
    assert run.elapsed == HOUR


def test_a_quota_is_released_after_the_end() -> None:
    """By a minute, which a client may wait for."""
    limits = replace(OPENAI.limits, enqueued_tokens=10**6, enqueued_release=50 * HOUR)
    run = Run(FAILS, replace(OPENAI, limits=limits))
    assert run.is_ended(run.create()) >= 98 * HOUR


def test_a_webhook_on_its_way_may_be_waited_for() -> None:
    """As long as one will come."""
    run = Run(FAILS, max_idle="1h")
    path = run.create()
    event = Event("wh_1", "batch.failed", path[9:], b"{}")
    at = T0 + 10 * HOUR * SECOND
    run.service.state.undelivered.append(Attempt(at, 1, event, "genuine", at))
    run.polls(path, until=10 * HOUR)
    assert 11 * HOUR <= run.is_ended(path) <= 12.2 * HOUR


# --- what callers change

UPLOAD = {"purpose": "batch", "filename": "in.jsonl", "bytes": 9, "mime_type": "text/jsonl"}
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def restored(state: State) -> None:
    state.restore(state.copy())


CHANGES: dict[str, Callable[[Run, str, str], object]] = {
    "an upload": lambda run, *_: run.upload(),
    "an upload in parts": lambda run, *_: run.call("/uploads", "POST", UPLOAD),
    "a batch": lambda run, _, file: run.try_to_create(file),
    "a cancel": lambda run, batch, _: run.call(f"{batch}/cancel", "POST"),
    "a deletion": lambda run, _, file: run.call(file, "DELETE"),
    "another scenario": lambda run, *_: setattr(run.service.state, "scenario", Scenario()),
    "a snapshot that is restored": lambda run, *_: restored(run.service.state),
}
NO_CHANGES: dict[str, Callable[[Run, str, str], object]] = {
    "a refused upload": lambda run, *_: run.call("/files", "POST"),
    "a refused batch": lambda run, *_: run.call("/batches", "POST", {}),
    "a refused deletion": lambda run, *_: run.call("/files/file-none", "DELETE"),
    "a question to a model": lambda run, *_: run.call("/chat/completions", "POST", QUESTION),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_caller_counts(change: Callable[[Run, str, str], object]) -> None:
    """The time counts from then on."""
    run = Run(STALLS["in_progress"], max_idle="10h")
    path, file = run.create(), f"/files/{run.upload()}"
    run.polls(path, until=9 * HOUR)
    change(run, path, file)
    assert 19 * HOUR <= run.is_ended(path) <= 19.5 * HOUR


@pytest.mark.parametrize("call", NO_CHANGES.values(), ids=NO_CHANGES)
def test_a_call_that_changes_nothing_does_not(call: Callable[[Run, str, str], object]) -> None:
    """Whatever its method."""
    run = Run(STALLS["in_progress"], max_idle="10h")
    path, file = run.create(), f"/files/{run.upload()}"
    run.polls(path, until=9 * HOUR)
    call(run, path, file)
    assert 10 * HOUR <= run.is_ended(path) <= 10.5 * HOUR


def test_a_loop_that_cancels_on_and_on_is_ended() -> None:
    """Only the first cancel changes the batch."""
    run = Run(STALLS["cancelling"])
    path = run.create()
    with pytest.raises(FakeBatchError, match="is 'cancelling'"):
        while True:
            run.call(f"{path}/cancel", "POST")
            run.sleep(600)
    assert run.elapsed <= 48.5 * HOUR


@pytest.mark.parametrize(("times", "hours"), [(80, 20), (None, 10)])
def test_a_fault_for_so_many_calls_may_be_waited_for(times: int | None, hours: int) -> None:
    """Each hit is one less to come; a fault without an end is no change."""
    run = Run(outage(times=times), max_idle="10h")
    assert hours <= run.is_ended(run.create()) / HOUR <= hours + 5


# --- who polls


def test_a_job_that_looks_once_a_day_does_not_poll() -> None:
    """Whatever it waits for, its loop takes no time: it may go on for a year."""
    run = Run(FAILS)
    run.polls(run.create(), every=DAY, until=365 * DAY)
    assert run.elapsed == 365 * DAY


def test_who_comes_back_later_waits_anew() -> None:
    """Time that the test has moved by hand, or that was slept at once, was not polled away."""
    run = Run(FAILS)
    path = run.create()
    run.polls(path, until=2 * HOUR)
    run.advance(70 * HOUR)
    run.sleep(30 * HOUR)
    began = run.elapsed
    assert began + 48 * HOUR <= run.is_ended(path) <= began + 49 * HOUR


def test_who_has_polled_ten_times_at_least() -> None:
    """Those before the last change do not count."""
    run = Run(FAILS, max_idle="10m")
    assert run.is_ended(run.create(), every=120) >= 10 * 120


def test_a_test_that_moves_the_clock_by_hand_may_wait_in_vain_too() -> None:
    """Its loop is ended by a call: nobody sleeps."""
    run = Run(FAILS)
    path = run.create()
    with pytest.raises(FakeBatchError, match=r"is 'failed'\. Nothing has changed since"):
        while True:
            run.call(path)
            run.advance(600)
    assert run.elapsed <= 48.5 * HOUR


def test_a_thread_that_only_sleeps_is_left_alone() -> None:
    """A progress bar does not wait for the service, although another thread does, in vain."""
    run = Run(FAILS)
    path = run.create()
    with ThreadPoolExecutor(1) as pool, pytest.raises(FakeBatchError, match="is 'failed'"):
        while True:
            run.sleep(600)  # nothing is raised here
            pool.submit(run.call, path).result()
    while run.elapsed < 390 * DAY:
        run.sleep(6 * HOUR)
    assert run.elapsed >= 390 * DAY


def test_threads_that_wait_side_by_side_get_one_error() -> None:
    """So that nobody has to look at the error of each."""
    run, together = Run(FAILS), Barrier(2)
    paths = [run.create(), run.create()]

    def poll(path: str) -> None:
        together.wait()
        run.call(path)

    errors: list[BaseException | None] = []
    with ThreadPoolExecutor(2) as pool:
        while None in errors[-2:] or not errors:
            results = [pool.submit(poll, path) for path in paths]
            errors += [result.exception() for result in results]
            run.sleep(600)
    assert errors[-1] is errors[-2]


def test_threads_that_give_up_at_the_same_moment_get_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has worked out its own error before the other one's is known."""
    run, together = Run(FAILS), Barrier(2)
    path, site = run.create(), callsite.of_this_thread

    def site_of_both() -> str:
        together.wait(60)
        return site()

    monkeypatch.setattr(callsite, "of_this_thread", site_of_both)
    errors: list[BaseException | None] = [None]
    with ThreadPoolExecutor(2) as pool:
        started = Barrier(2)

        def poll() -> None:
            started.wait(60)
            run.call(path)

        while None in errors:
            errors = [future.exception() for future in [pool.submit(poll) for _ in range(2)]]
            run.sleep(600)
    assert errors[0] is errors[1]
