"""`fakebatch.batches` and `fakebatch.files`: what they show, and what they say when they cannot."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch import FakeBatch, UsageError
from support.client import chat


def test_an_object_shows_its_json_and_a_collection_its_ids(fakebatch: FakeBatch) -> None:
    """In a message of pytest or in a debugger."""
    file = fakebatch.files.add(b"{}")

    assert repr(fakebatch.files) == f"<1 files: {file.id}>"
    assert repr(file) == f"<File {file.json}>"
    assert repr(fakebatch.batches) == "<0 batches: >"


def test_a_field_that_does_not_exist_is_an_error(fakebatch: FakeBatch) -> None:
    """The message has the fields that do."""
    file = fakebatch.files.add(b"{}")
    with pytest.raises(AttributeError) as caught:
        file.size  # noqa: B018

    assert str(caught.value) == f"{file.id} has no field 'size'; it has {', '.join(file.json)}"


def test_an_error_inside_of_a_property_is_shown_as_it_is(
    fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AttributeError in it is not mistaken for a field that is missing."""
    file = fakebatch.files.add(b"{}")

    def broken(*_: object) -> None:
        raise AttributeError("of something else")

    monkeypatch.setattr("fakebatch.inspection.objects.file_object", broken)
    for name in ("json", "status"):
        with pytest.raises(AttributeError, match=r"^of something else$"):
            getattr(file, name)


def test_a_view_can_be_copied(fakebatch: FakeBatch) -> None:
    """Python looks for methods of it before it has any attribute."""
    file = fakebatch.files.add(b"{}")
    assert copy.copy(file).id == file.id


def test_a_file_says_how_it_came_to_be_there(fakebatch: FakeBatch) -> None:
    """By an upload, in one call or in parts, by the test, or by a batch, whose id it has."""
    client = fakebatch.openai()
    whole = client.files.create(file=b"{}", purpose="batch")
    in_parts: Any = client.uploads.upload_file_chunked(
        file=b"{}", filename="f", bytes=2, purpose="batch", mime_type="application/jsonl"
    )
    added = fakebatch.files.add(b"{}")
    batch = fakebatch.batches.add([chat("a")])
    assert {
        fakebatch.files[id_].written_by
        for id_ in (whole.id, in_parts.file.id, added.id, batch.input_file_id)
    } == {"files.create", "uploads.complete", "files.add"}
    assert fakebatch.files[batch.output_file_id].written_by == batch.id
    assert fakebatch.files[in_parts.file.id].written_by == "uploads.complete"


@pytest.mark.parametrize("name", ["content", "written_by", "status"])
def test_a_file_that_was_deleted_has_no_attributes(fakebatch: FakeBatch, name: str) -> None:
    """A view of it raises the KeyError of a file that does not exist."""
    file = fakebatch.files.add(b"{}")
    fakebatch.openai().files.delete(file.id)
    with pytest.raises(KeyError, match=file.id):
        getattr(file, name)


def test_an_id_that_does_not_exist_is_a_key_error(fakebatch: FakeBatch) -> None:
    """As that of a file that has expired, whose view is still there."""
    with pytest.raises(KeyError, match="file-none"):
        fakebatch.files["file-none"]

    fakebatch.on_file().expire("1h")
    fakebatch.openai().files.create(file=b"{}", purpose="user_data")
    file = fakebatch.files.only()
    fakebatch.clock.advance("2h")
    with pytest.raises(KeyError, match=file.id):
        file.json  # noqa: B018


WRONG_NUMBERS: dict[str, tuple[int, Callable[[FakeBatch], object], str]] = {
    "the last of none": (
        0,
        lambda fake: fake.batches.last(),
        "fakebatch.batches.last() needs at least one, but there are 0.",
    ),
    "the only one of none": (
        0,
        lambda fake: fake.batches.only(),
        "fakebatch.batches.only() needs exactly one, but there are 0.",
    ),
    "the only one of six": (
        6,
        lambda fake: fake.batches.only(),
        "fakebatch.batches.only() needs exactly one, but there are 6.",
    ),
}


@pytest.mark.parametrize(("number", "look", "came"), WRONG_NUMBERS.values(), ids=WRONG_NUMBERS)
def test_another_number_than_is_needed_is_an_error(
    fakebatch: FakeBatch, number: int, look: Callable[[FakeBatch], object], came: str
) -> None:
    """In three lines, with the first five ids."""
    for _ in range(number):
        fakebatch.batches.add([chat("a")], status="in_progress")
    with pytest.raises(UsageError) as caught:
        look(fakebatch)

    ids = [*fakebatch.batches]
    assert str(caught.value).split("\n") == [
        f"fakebatch: {came}",
        f"The batches are: {', '.join(ids[:5]) or 'none'}{' and 1 more' if number > 5 else ''}.",
        "Look one up by its id, fakebatch.batches[id], or fix what creates them.",
    ]
