"""`fakebatch.batches` and `fakebatch.files`: what they show, and what they say when they cannot."""

from __future__ import annotations

from collections.abc import Callable

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
        f"The batches are: {', '.join(ids[:5]) or 'none'}{' …' if number > 5 else ''}.",
        "Look one up by its id, fakebatch.batches[id], or fix what creates them.",
    ]
