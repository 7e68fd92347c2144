from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, starmap
from typing import Any

import pytest

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.dialects import OPENAI, APIError, ErrorKind, Limits
from fakebatch.durations import SECOND
from fakebatch.rules.batches import Schedule
from fakebatch.rules.files import FileRule, NotFoundFor, Processing
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Future, Service
from fakebatch.service.view import batch_object
from support.batches import CHAT, DAY, HOUR, SCHEDULE, T0, failing, requests

MONTH = 30 * DAY


class Provider:
    """A service, the time it has, and short ways to say what every test says."""

    def __init__(self, limits: Limits = OPENAI.limits) -> None:
        self.now = T0
        dialect = replace(OPENAI, limits=limits)
        self.service = Service(dialect, seed=b"0")
        self.service.state.scenario = Scenario(schedule=SCHEDULE)

    def upload(self, content: bytes | None = None, purpose: str = "batch", **more: Any) -> str:
        content = requests(10) if content is None else content
        create = self.service.files.create
        file = create(self.now, purpose=purpose, filename="in.jsonl", content=content, **more)
        return file.id

    def create(self, file: str | None = None, lives: int | None = None) -> str:
        params = BatchCreateParams(CHAT, "24h", file or self.upload(), None, lives)
        return self.service.batches.create(params, self.now).id

    def seen(self, batch: str) -> dict[str, Any]:
        return batch_object(self.service.state.batches.retrieve(batch, self.now), self.now)

    def cancel(self, batch: str) -> dict[str, Any]:
        return batch_object(self.service.batches.cancel(batch, self.now), self.now)

    def there(self, *, purpose: str | None = None) -> list[str]:
        self.service.state.settle(self.now)
        files = self.service.state.files.existing(self.now)
        return [file.id for file in files if purpose in (None, file.purpose)]

    def wait(self, microseconds: int) -> None:
        self.now += microseconds


def refused(call: Callable[[], object]) -> ErrorKind:
    with pytest.raises(APIError) as caught:
        call()
    return caught.value.kind


UPLOADS: dict[str, tuple[str, int | None, int | None]] = {
    "batch input lives for 30 days": ("batch", None, MONTH),
    "any other upload stays": ("user_data", None, None),
    "an upload lives as long as it is told to": ("user_data", 3_600, HOUR),
    "batch input too": ("batch", 3_600, HOUR),
}


@pytest.mark.parametrize(("purpose", "told", "lives"), UPLOADS.values(), ids=UPLOADS)
def test_an_upload_lives_as_long_as_its_purpose_says(
    purpose: str, told: int | None, lives: int | None
) -> None:
    """A file is there until the moment it expires, and gone at it."""
    of = Provider()
    file = of.upload(purpose=purpose, expires_after=told)
    of.wait((10 * MONTH if lives is None else lives) - 1)
    assert of.there() == [file]
    of.wait(1)
    assert of.there() == ([file] if lives is None else [])


@pytest.mark.parametrize("purpose", ["assistants", "user_data", "vision"])
def test_a_file_for_anything_else_makes_no_batch(purpose: str) -> None:
    """Whatever else it is for."""
    of = Provider()
    file = of.upload(purpose=purpose)
    assert refused(lambda: of.create(file)) is ErrorKind.WRONG_PURPOSE


RESULTS = {
    "30 days": (None, MONTH),
    "as long as the batch was told": (3_600, HOUR),
}


@pytest.mark.parametrize(("told", "lives"), RESULTS.values(), ids=RESULTS)
def test_result_files_live_from_the_end_on(told: int | None, lives: int) -> None:
    """The life of a result file begins when the batch ends, not when it was created."""
    of = Provider()
    batch = of.create(lives=told)
    of.wait(115 * SECOND - 1)
    assert of.there(purpose="batch_output") == []
    of.wait(1)
    assert of.there(purpose="batch_output") == [of.seen(batch)["output_file_id"]]
    of.wait(lives - 1)
    assert len(of.there(purpose="batch_output")) == 1
    of.wait(1)
    assert of.there(purpose="batch_output") == []


def test_result_files_are_named_after_their_batch() -> None:
    """Output and error file carry the id of the batch, and are result files by purpose."""
    of = Provider()
    of.service.state.scenario = failing("r-0")
    batch = of.create()
    of.wait(HOUR)
    of.service.state.settle(of.now)
    ids = [of.seen(batch)[key] for key in ("output_file_id", "error_file_id")]
    files = [of.service.state.files.retrieve(id_, of.now) for id_ in ids]
    assert [file.filename for file in files] == [f"{batch}_output.jsonl", f"{batch}_error.jsonl"]
    assert [file.purpose for file in files] == ["batch_output"] * 2


def test_an_upload_is_as_large_as_may_be_and_no_larger() -> None:
    """The limit is the most bytes there may be."""
    of = Provider(replace(OPENAI.limits, file_bytes=2))
    of.upload(b"{}")
    assert refused(lambda: of.upload(b"{ }")) is ErrorKind.FILE_TOO_LARGE


def test_batches_are_counted_by_the_hour() -> None:
    """Creations of the last hour count; the oldest is forgotten when it is an hour old."""
    of = Provider(replace(OPENAI.limits, creates_per_hour=2))
    of.create()
    of.wait(1)
    of.create()
    assert refused(of.create) is ErrorKind.TOO_MANY_BATCHES
    of.wait(HOUR - 2)
    assert refused(of.create) is ErrorKind.TOO_MANY_BATCHES
    of.wait(1)
    of.create()
    assert refused(of.create) is ErrorKind.TOO_MANY_BATCHES


DELETIONS = {
    "while it validates: the batch fails": (10 * SECOND - 1, "failed"),
    "once it runs: nothing happens to it": (10 * SECOND, "completed"),
}


@pytest.mark.parametrize(("after", "status"), DELETIONS.values(), ids=DELETIONS)
def test_an_input_file_is_needed_until_it_is_validated(after: int, status: str) -> None:
    """Deleting the input file fails a batch that has not read it yet."""
    of = Provider()
    file = of.upload()
    batch, other = of.create(file), of.create()
    of.wait(after)
    of.service.files.delete(file, of.now)
    of.wait(HOUR)
    assert (of.seen(batch)["status"], of.seen(other)["status"]) == (status, "completed")


def test_an_input_file_may_expire_while_its_batch_validates() -> None:
    """A file that is gone before it is validated is missing, whoever took it away."""
    of = Provider()
    file = of.upload(expires_after=3_600)
    of.wait(HOUR - 1)
    batch = of.create(file)
    of.wait(HOUR)
    assert of.seen(batch)["status"] == "failed"


CANCELS = {"validating": 0, "in progress": 60 * SECOND, "finalizing": 112 * SECOND}


@pytest.mark.parametrize("after", CANCELS.values(), ids=CANCELS)
def test_a_batch_is_cancelled_once(after: int) -> None:
    """A second cancel answers as the first, and moves nothing."""
    of = Provider()
    batch = of.create()
    of.wait(after)
    first = of.cancel(batch)
    of.wait(SECOND)
    assert ("cancelling", first) == (first["status"], of.cancel(batch))
    of.wait(HOUR)
    assert of.cancel(batch)["cancelling_at"] == first["cancelling_at"]


@pytest.mark.parametrize("file", [None, "file-none"], ids=["completed", "failed"])
def test_what_has_ended_is_not_cancelled(file: str | None) -> None:
    """A completed and a failed batch say so when they are cancelled."""
    of = Provider()
    batch = of.create(file)
    of.wait(HOUR)
    assert refused(lambda: of.service.batches.cancel(batch, of.now)) is ErrorKind.CANNOT_CANCEL


def long_run(of: Provider) -> str:
    """A batch that would run for twenty hours, looked at, and cancelled after one."""
    of.service.state.scenario = Scenario(schedule=Schedule(in_progress="20h"))
    batch = of.create()
    of.wait(HOUR)
    of.there()
    of.service.batches.cancel(batch, of.now)
    return batch


def test_the_files_of_a_cancelled_batch_do_not_wait_for_its_first_future() -> None:
    """A cancel brings the end forward: the files are there when the batch is cancelled."""
    of = Provider()
    batch = long_run(of)
    of.wait(606 * SECOND)
    assert of.there(purpose="batch_output") == [of.seen(batch)["error_file_id"]]


def test_a_deleted_result_file_stays_deleted() -> None:
    """Nothing brings it back, not even the moment at which the batch would have ended."""
    of = Provider()
    batch = long_run(of)
    of.wait(606 * SECOND)
    of.service.state.settle(of.now)
    of.service.files.delete(of.seen(batch)["error_file_id"], of.now)
    of.wait(DAY)
    assert of.there(purpose="batch_output") == []
    assert of.seen(batch)["error_file_id"] is not None


@pytest.mark.parametrize("kind", ["output", "error"])
def test_a_result_file_does_not_need_the_other(kind: str) -> None:
    """When one is deleted, the other keeps its content."""
    of = Provider()
    of.service.state.scenario = replace(failing("r-0"), schedule=SCHEDULE)
    batch = of.create()
    of.wait(HOUR)
    of.service.state.settle(of.now)
    ids = {name: of.seen(batch)[f"{name}_file_id"] for name in ("output", "error")}
    deleted = ids.pop(kind)
    [left] = ids.values()
    before = of.service.state.files.retrieve(left, of.now).content
    of.service.files.delete(deleted, of.now)
    of.service.state.settle(of.now)
    after = of.service.state.files.retrieve(left, of.now).content

    assert bytes(after) == bytes(before) != b""


@pytest.mark.parametrize("by_call", [False, True])
def test_what_time_deletes_keeps_its_content(*, by_call: bool) -> None:
    """A batch may delete its input when it ends: it knows its lines, which a call would free."""
    of = Provider()
    file = of.upload(requests(10_000))
    params = BatchCreateParams(CHAT, "24h", file, deletes_input=not by_call)
    batch = of.service.batches.create(params, of.now).id
    of.wait(DAY)
    of.service.state.settle(of.now)
    assert of.seen(batch)["usage"]
    if by_call:
        of.service.files.delete(file, of.now)
    assert file not in of.there()
    assert of.service.state.batches.retrieve(batch, of.now).has_lines != by_call


def test_what_is_said_later_changes_no_batch_that_exists() -> None:
    """A batch has the scenario of the moment in which it was created."""
    of = Provider()
    earlier = of.create()
    of.service.state.scenario = failing(*(f"r-{number}" for number in range(10)))
    later = of.create()
    of.wait(HOUR)
    assert [of.seen(batch)["request_counts"]["failed"] for batch in (earlier, later)] == [0, 10]


def test_batches_are_listed_newest_first() -> None:
    """Of one moment too, the later is the newer."""
    of = Provider()
    batches = [of.create() for _ in range(3)]
    page, has_more = of.service.state.batches.page(of.now, limit=2, after=None)
    assert [batch.id for batch in page] == [batches[2], batches[1]]
    assert has_more is True


def test_what_time_alone_will_change_is_known_once_a_batch_is_validated() -> None:
    """Until then no more is known than that it will be: its lines are not read before."""
    of = Provider()
    assert of.service.future(of.now) == Future(settles=0, expires=0, longest_window=0)
    of.create()
    assert of.service.future(of.now) == Future(T0 + 10 * SECOND, T0 + MONTH, DAY)
    of.wait(10 * SECOND)
    assert of.service.future(of.now) == Future(T0 + 115 * SECOND, T0 + MONTH, DAY)
    of.wait(HOUR)
    later = T0 + 115 * SECOND + MONTH
    assert of.service.future(of.now) == Future(T0 + 115 * SECOND, later, 0)


def test_a_deleted_file_does_not_expire() -> None:
    """It is gone already."""
    of = Provider()
    of.service.files.delete(of.upload(), of.now)
    assert of.service.future(of.now).expires == 0


DIFFERENCES = {
    "while it validates": (0, 9, False),
    "once it is validated": (9, 10, True),
    "before a line has finished": (10, 19, False),
    "once one has": (19, 20, True),
    "once it finalizes": (109, 110, True),
    "while it does": (110, 114, False),
    "once it is completed": (114, 115, True),
    "after that": (115, 86_400, False),
    "once its files expire": (86_400, 31 * 86_400, True),
}


@pytest.mark.parametrize(("start", "end", "differs"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_whether_a_client_could_see_a_difference(start: int, end: int, *, differs: bool) -> None:
    """Between two moments that are past: of a status, a count or a file."""
    of = Provider()
    of.create()
    of.wait(100 * DAY)
    assert of.service.changes(T0 + start * SECOND, T0 + end * SECOND) is differs


LATE: dict[str, FileRule] = {
    "it is processed": FileRule(processing=Processing("30s")),
    "it can be found": FileRule(not_found_for=NotFoundFor("30s")),
}


@pytest.mark.parametrize("purpose", ["batch", "user_data"])
@pytest.mark.parametrize("rule", LATE.values(), ids=LATE)
def test_an_upload_changes_once_more_when(rule: FileRule, purpose: str) -> None:
    """That is known before, and a difference that a client could see."""
    of = Provider()
    of.service.state.scenario = Scenario(on_file=(rule,))
    of.upload(purpose=purpose)
    assert of.service.future(of.now).settles == T0 + 30 * SECOND
    of.wait(DAY)
    seconds = [T0 + second * SECOND for second in (28, 29, 30, 31)]
    assert [*starmap(of.service.changes, pairwise(seconds))] == [False, True, False]


def test_a_file_knows_its_readers() -> None:
    """A deleted file fails the batches that still validate it, and no other."""
    of = Provider()
    first, other = of.create(), of.create()
    deleted = of.seen(first)["input_file_id"]
    of.service.files.delete(deleted, of.now)
    of.wait(20 * SECOND)

    assert of.seen(first)["status"] == "failed"
    assert of.seen(other)["status"] == "in_progress"
