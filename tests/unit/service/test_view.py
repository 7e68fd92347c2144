from __future__ import annotations

from dataclasses import replace

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.rules.lines import LineRule, Reply
from fakebatch.rules.scenario import Scenario
from fakebatch.service.records import FileRecord
from fakebatch.service.view import batch_object, deleted_file, file_object, page
from support.batches import DAY, SCHEDULE, T0, batch, requests, seen

CREATED = T0 // SECOND

USED = {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}

USAGE = {
    "none before the end": (112, 0, 0),
    "of all answers at the end": (115, 30, 40),
}


@pytest.mark.parametrize(("seconds", "read", "written"), USAGE.values(), ids=USAGE)
def test_usage_is_known_at_the_end(seconds: float, read: int, written: int) -> None:
    """Usage is zero until the batch has ended; then it is the sum over its answers."""
    otherwise = LineRule(reply=Reply(USED))
    spent = batch(scenario=Scenario(schedule=SCHEDULE, otherwise=otherwise))
    assert seen(spent, seconds)["usage"] == {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": read + written,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


MODELS = {
    "an alias is resolved": ("gpt-4o", "gpt-4o-2024-08-06"),
    "a snapshot stays": ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    "any other name stays": ("ft:gpt-4o:acme", "ft:gpt-4o:acme"),
}


@pytest.mark.parametrize(("model", "expected"), MODELS.values(), ids=MODELS)
def test_the_model_is_the_snapshot_that_answers(model: str, expected: str) -> None:
    """A batch names the dated model behind the alias its lines ask for."""
    content = requests(1).replace(b"gpt-5-nano", model.encode())
    assert expected == seen(batch(content), 60)["model"]


def test_moments_are_whole_seconds_rounded_down() -> None:
    """A batch created within a second carries that second."""
    wire = batch_object(replace(batch(), created=T0 + SECOND - 1), T0 + SECOND)
    assert (wire["created_at"], wire["expires_at"]) == (CREATED, CREATED + 86_400)


FILE = FileRecord("file-1", "batch", "in.jsonl", T0, T0 + 30 * DAY, b"{}\n")


def test_a_file_has_every_key_in_the_order_of_the_wire() -> None:
    """A file is processed at once; its size is that of its content."""
    assert list(file_object(FILE, OPENAI, T0).items()) == [
        ("object", "file"),
        ("id", "file-1"),
        ("purpose", "batch"),
        ("filename", "in.jsonl"),
        ("bytes", 3),
        ("created_at", CREATED),
        ("expires_at", CREATED + 2_592_000),
        ("status", "processed"),
        ("status_details", None),
    ]


def test_a_file_that_never_expires_says_null() -> None:
    """`expires_at` is always there."""
    assert file_object(replace(FILE, expires=None), OPENAI, T0)["expires_at"] is None


def test_a_deletion_says_what_is_gone() -> None:
    """The keys of a deletion in the order of the wire."""
    assert list(deleted_file("file-1", OPENAI).items()) == [
        ("object", "file"),
        ("deleted", True),
        ("id", "file-1"),
    ]


def test_a_page_names_its_first_and_last() -> None:
    """A list says where it begins and ends, and whether more follows."""
    first, last = {"id": "a"}, {"id": "b"}
    assert page([first, last], OPENAI.batches_list, has_more=True) == {
        "object": "list",
        "data": [first, last],
        "first_id": "a",
        "last_id": "b",
        "has_more": True,
    }


def test_an_empty_page_begins_and_ends_nowhere() -> None:
    """Without data, first and last are null."""
    assert page([], OPENAI.batches_list, has_more=False) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
