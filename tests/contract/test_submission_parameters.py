"""Parameters of the incidents of upload, create and limits, and what each changes on the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import TIME, rows

pytestmark = [pytest.mark.sync, pytest.mark.untyped]
TEN = [chat(f"Row-{number}", f"question {number}") for number in range(10)]

Look = Callable[[Driver], object]


def uploads(*sizes: int) -> Look:
    """The statuses of uploads of so many lines each."""
    return lambda do: [status(do.upload, TEN[:size]) for size in sizes]


def status(call: Callable[..., Any], *args: Any) -> int:
    """The HTTP status of a call; 0 without a response."""
    try:
        call(*args)
    except openai.APIStatusError as error:
        return error.status_code
    except openai.APIConnectionError:
        return 0
    return 200


def file_after(seconds: float) -> Look:
    """The status of a file so long after its upload, or that of the call."""

    def look(do: Driver) -> object:
        uploaded = do.upload(TEN)
        do.sleep(seconds)
        found = status(do, do.client.files.retrieve, uploaded.id)
        return found if found != 200 else do(do.client.files.retrieve, uploaded.id).status

    return look


def files(do: Driver) -> tuple[int, int]:
    """The status of an upload, and how many files it leaves."""
    return status(do.upload, TEN), len(do.all(do.client.files.list))


def batches(do: Driver) -> tuple[int, int]:
    """The status of a create call, and how many batches there are after it."""
    uploaded = do.upload(TEN)
    create = do.client.batches.create
    sent = status(lambda: do(create, input_file_id=uploaded.id, **do.usual))
    return sent, len(do.all(do.client.batches.list))


def ends(do: Driver) -> list[str]:
    """How three batches end, one after the other."""
    return [do.run(TEN).status for _ in range(3)]


def creations(do: Driver) -> list[int]:
    """The statuses of three create calls at once."""
    do.client = do.client.with_options(max_retries=0)
    return [status(do.create, TEN) for _ in range(3)]


def errors(do: Driver) -> list[tuple[str, int | None]]:
    """What `errors` says."""
    return [(entry.code, entry.line) for entry in do.run(TEN).errors.data]


def ids(do: Driver) -> list[object]:
    """The custom_ids that come back."""
    return sorted(line["custom_id"] for line in do.results(do.run(TEN).output_file_id))


def failed_lines(do: Driver) -> int:
    """How many lines fail."""
    return len(do.results(do.run(TEN).error_file_id))


def retry_after(do: Driver) -> str:
    """The header of the error of an upload."""
    do.client = do.client.with_options(max_retries=0)  # the SDK of 1.x retries sooner
    with pytest.raises(openai.RateLimitError) as caught:
        do.upload(TEN)
    return str(caught.value.response.headers["retry-after"])


def limited_polls(do: Driver) -> Counter[int]:
    """The statuses of ten polls."""
    do.client = do.client.with_options(max_retries=0)
    for _ in range(2):  # the first upload, and the first create call
        status(do.create, TEN)
    batch = do.create(TEN)
    return Counter(status(do, do.client.batches.retrieve, batch.id) for _ in range(10))


ONE_ENTRY = [{"code": "batch_failed", "message": "The batch failed."}]
CASES: dict[str, tuple[str, dict[str, Any], Look, object]] = {
    "uploads of 500 bytes": ("upload-too-large", {"bytes": 500}, uploads(4, 2), [400, 200]),
    "a narrower gateway": ("upload-413-html", {"bytes": 700}, uploads(10, 4, 1), [413, 413, 200]),
    "a longer processing": (
        "azure-file-pending",
        {"duration": "5m"},
        file_after(60),
        "uploaded",
    ),
    "a processing that fails": ("azure-file-pending", {"broken": True}, file_after(60), "error"),
    "a file that is hidden longer": (
        "fresh-file-not-visible",
        {"duration": "2m"},
        file_after(60),
        404,
    ),
    "a reset that the SDK hides": ("upload-hang-or-reset", {"times": 1}, files, (200, 2)),
    "an input that lives long enough": (
        "input-deleted-too-early",
        {"after": "2m"},
        ends,
        ["completed"] * 3,
    ),
    "two inputs": (
        "input-deleted-too-early",
        {"times": 2},
        ends,
        ["failed", "failed", "completed"],
    ),
    "a failure that passes": (
        "create-ok-then-failed",
        {"times": 1},
        ends,
        ["failed", "completed", "completed"],
    ),
    "another error": (
        "create-ok-then-failed",
        {"code": "model_not_found", "line": 7},
        errors,
        [("model_not_found", 7)],
    ),
    "two lost responses": (
        "create-retried-duplicate-batch",
        {"times": 2, "status": 503},
        batches,
        (200, 3),
    ),
    "a response lost for good": ("create-retried-duplicate-batch", {"times": 3}, batches, (500, 3)),
    "ids in upper case": (
        "custom-id-shape",
        {"how": "upper"},
        ids,
        [f"ROW-{number}" for number in range(10)],
    ),
    "an entry without a line": (
        "validation-errors-empty",
        {"errors": ONE_ENTRY},
        errors,
        [("batch_failed", None)],
    ),
    "an empty list of errors": ("validation-errors-empty", {"errors": []}, errors, []),
    "a longer pause, as a date": (
        "rate-limited-429",
        {"retry_after": "10m", "http_date": True},
        retry_after,
        "Thu, 01 Jan 2026 00:10:00 GMT",
    ),
    "more polls": ("rate-limited-429", {"polls": 4}, limited_polls, Counter({200: 6, 429: 4})),
    "room for one file": ("file-quota-exhausted", {"left": 1}, uploads(1, 1), [200, 400]),
    "one line without credit": ("billing-stop", {"fraction": 0.1}, failed_lines, 1),
    "one batch an hour": ("too-many-batches", {"per_hour": 1}, creations, [200, 429, 429]),
    "a quota with room again": (
        "enqueued-token-limit",
        {"times": 1},
        ends,
        ["failed", "completed", "completed"],
    ),
}


@pytest.mark.parametrize("case", rows(CASES, {"a longer pause, as a date": TIME}))
def test_a_parameter_changes_what_happens(
    do: Driver, fakebatch: FakeBatch, case: tuple[str, dict[str, Any], Look, object]
) -> None:
    """As its sentence says; what is left out has its default."""
    name, parameters, look, expected = case
    fakebatch.incident(name, **parameters)
    assert look(do) == expected
