from __future__ import annotations

import re

import pytest

from fakebatch.durations import SECOND
from fakebatch.ids import IdFactory, dashed, stamp

AT = 0x6A85C08A * SECOND + 999_999
IDS = IdFactory(b"0")

STAMPED = r"6a85c08a[0-9a-f]{3}[048c]8190[89ab][0-9a-f]{15}"
FILE = r"file-[1-9A-HJ-NP-Z][1-9A-HJ-NP-Za-km-z]{21}"

FORMS = {
    "a batch is 32 hex digits": (IDS.new("batch_{stamp}", AT, 1), r"batch_[0-9a-f]{32}"),
    "a batch has time, marker and variant": (IDS.new("batch_{stamp}", AT, 1), f"batch_{STAMPED}"),
    "a result line": (
        "batch_req_" + stamp(IDS.digest("line").hex(), AT),
        f"batch_req_{STAMPED}",
    ),
    "a file is 22 base58 characters": (IDS.new("file-{base58}", AT, 1), FILE),
    "a request": (IDS.new("req_{hex}", AT, 1), r"req_[0-9a-f]{32}"),
    "the request of a result line is a UUID of version 4": (
        dashed(IDS.digest("line").hex()),
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ),
}


@pytest.mark.parametrize(("made", "form"), FORMS.values(), ids=FORMS)
def test_an_id_has_the_form_seen_on_the_wire(made: str, form: str) -> None:
    """Every id has the length, the alphabet and the structure that recordings show."""
    assert re.fullmatch(form, made)


def test_the_form_holds_for_every_digest() -> None:
    """Quarter, marker, variant and leading character are right whatever the digits were."""
    for number in range(200):
        assert re.fullmatch(STAMPED, stamp(IDS.digest(number).hex(), AT))
        assert re.fullmatch(FILE, IDS.new("file-{base58}", AT, number))


def test_ids_of_the_same_seed_and_parts_are_the_same() -> None:
    """The same seed and the same parts always give the same id."""
    twin = IdFactory(b"0")
    assert IDS.new("file-{base58}", AT, 1) == twin.new("file-{base58}", AT, 1)
    assert IDS.new("req_{hex}", AT, 1) == twin.new("req_{hex}", AT, 1)
    assert IDS.new("batch_{stamp}", AT, 1) == twin.new("batch_{stamp}", AT, 1)
    assert IDS.order(9, "lines") == twin.order(9, "lines")


OTHERS = {
    "another number": (IDS.new("file-{base58}", AT, 1), IDS.new("file-{base58}", AT, 2)),
    "another seed": (IDS.new("file-{base58}", AT, 1), IdFactory(b"1").new("file-{base58}", AT, 1)),
    "no seed": (IDS.new("file-{base58}", AT, 1), IdFactory(b"").new("file-{base58}", AT, 1)),
    "parts cut elsewhere": (
        IDS.new("file-{base58}", AT, "ab", "c"),
        IDS.new("file-{base58}", AT, "a", "bc"),
    ),
    "another prefix": (
        IDS.new("batch_{stamp}", AT, 1).removeprefix("batch_"),
        IDS.new("upload_{stamp}", AT, 1).removeprefix("upload_"),
    ),
    "a lone surrogate": (
        IDS.new("file-{base58}", AT, "\ud800"),
        IDS.new("file-{base58}", AT, "\ud801"),
    ),
}


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_ids_of_other_seeds_or_parts_differ(one: str, other: str) -> None:
    """Whatever goes into an id changes it."""
    assert one != other


def test_ten_thousand_file_ids_are_ten_thousand() -> None:
    """Ids do not collide within any test one would write."""
    assert len({IDS.new("file-{base58}", AT, number) for number in range(10_000)}) == 10_000


def test_a_long_seed_counts_to_its_end() -> None:
    """Seeds that differ only after their 64th byte (two long test ids) give other ids."""
    assert IdFactory(b"x" * 64 + b"1").new("file-{base58}", AT, 1) != IdFactory(
        b"x" * 64 + b"2"
    ).new("file-{base58}", AT, 1)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 1_000])
def test_an_order_is_a_permutation(count: int) -> None:
    """A shuffle leaves nothing out and gives nothing twice."""
    assert list(range(count)) == sorted(IDS.order(count, "lines"))


@pytest.mark.parametrize("count", [2, 3, 4, 50])
def test_an_order_is_never_the_one_that_came_in(count: int) -> None:
    """With two lines or more, no seed leaves them in input order."""
    unshuffled = list(range(count))
    assert not [seed for seed in range(200) if IdFactory(b"%d" % seed).order(count) == unshuffled]
