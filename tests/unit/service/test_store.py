from __future__ import annotations

import pytest

from fakebatch.dialects import APIError, ErrorKind
from fakebatch.service.records import FileRecord
from fakebatch.service.state import Store


def file(
    id_: str, created: int, *, expires: int | None = None, deleted: int | None = None
) -> FileRecord:
    return FileRecord(id_, "batch", f"{id_}.jsonl", created, expires, b"", deleted)


def store(*records: FileRecord) -> Store[FileRecord]:
    made = Store[FileRecord](ErrorKind.NO_SUCH_FILE)
    for record in records:
        made.put(record)
    return made


FIVE = store(*(file(id_, at) for at, id_ in enumerate("abcde")))
GAPS = store(
    file("a", 0),
    file("b", 1, deleted=5),
    file("c", 2, expires=5),
    file("d", 3),
    file("e", 4, deleted=5),
    file("f", 99),
)
"""At moment 5: a and d are there, b and e deleted, c expired, f still to come."""


def page(of: Store[FileRecord], after: str | None, limit: int, *, newest: bool = True) -> str:
    """The ids of a page; a + where more follow."""
    found, more = of.page(5, after=after, limit=limit, newest_first=newest)
    return "".join(record.id for record in found) + "+" * more


PAGES = {
    "newest first": (page(FIVE, None, 9), "edcba"),
    "oldest first": (page(FIVE, None, 9, newest=False), "abcde"),
    "a limit, and more": (page(FIVE, None, 2), "ed+"),
    "a limit that just holds all: no more": (page(FIVE, None, 5), "edcba"),
    "after one: it is left out": (page(FIVE, "d", 2), "cb+"),
    "after one, oldest first": (page(FIVE, "b", 2, newest=False), "cd+"),
    "after the last: nothing": (page(FIVE, "a", 2), ""),
    "after the last, oldest first: nothing": (page(FIVE, "e", 2, newest=False), ""),
    "nothing there": (page(store(), None, 2), ""),
    "gone and coming ones are left out": (page(GAPS, None, 9), "da"),
    "what is left out does not count": (page(GAPS, None, 2), "da"),
    "what is left out is no more to come": (page(GAPS, None, 2, newest=False), "ad"),
    "after a deleted one": (page(GAPS, "b", 9), "a"),
    "after an expired one": (page(GAPS, "c", 9), "a"),
    "after an expired one, oldest first": (page(GAPS, "c", 9, newest=False), "d"),
}


@pytest.mark.parametrize(("found", "expected"), PAGES.values(), ids=PAGES)
def test_a_page_is_what_comes_after(found: str, expected: str) -> None:
    """A page holds what exists now, in order, after the one named; more follows or it does not."""
    assert expected == found


def test_after_an_unknown_one_there_is_no_page() -> None:
    """An id that was never kept is told apart from one that is gone."""
    with pytest.raises(APIError):
        FIVE.page(5, after="z", limit=1)


@pytest.mark.parametrize("limit", range(1, 7))
@pytest.mark.parametrize(("newest", "whole"), [(True, "edcba"), (False, "abcde")])
def test_pages_together_are_the_whole(limit: int, *, newest: bool, whole: str) -> None:
    """Walking by any limit, in either order, gives every record once."""
    walked = page(FIVE, None, limit, newest=newest)
    for _ in whole:
        if walked.endswith("+"):
            walked = walked[:-1] + page(FIVE, walked[-2], limit, newest=newest)
    assert whole == walked


def test_a_deletion_between_two_pages_loses_nothing_else() -> None:
    """The cursor may be deleted: paging goes on where it stood."""
    kept = store(*(file(id_, at) for at, id_ in enumerate("abcde")))
    assert page(kept, None, 2) == "ed+"
    kept.put(file("d", 3, deleted=4))
    assert page(kept, "d", 9) == "cba"


def test_what_comes_late_takes_the_place_of_its_time() -> None:
    """A result file that is kept later stands where it was created."""
    kept = store(file("a", 0), file("c", 2))
    kept.put(file("b", 1))
    assert page(kept, None, 9) == "cba"


def test_of_one_moment_the_later_comes_later() -> None:
    """Records created at one moment stay in the order in which they were kept."""
    assert page(store(file("b", 1), file("a", 1), file("c", 1)), None, 9, newest=False) == "bac"


def test_a_successor_takes_the_place_of_its_record() -> None:
    """A record that is put again under its id replaces the one before."""
    kept = store(file("a", 0), file("b", 1))
    kept.put(file("a", 0, expires=99))
    assert (len(kept), page(kept, None, 9)) == (2, "ba")
    found = kept.get("a", 5)
    assert found is not None
    assert found.expires == 99


def test_a_page_may_leave_out_by_any_rule() -> None:
    """A filter does not count towards the limit, and what it leaves out is no more to come."""
    found, more = FIVE.page(5, after=None, limit=2, where=lambda record: record.id in "ad")
    assert ([record.id for record in found], more) == (["d", "a"], False)


EXISTS: dict[str, tuple[FileRecord, int, bool]] = {
    "before it is created": (file("a", 5), 4, False),
    "as it is created": (file("a", 5), 5, True),
    "for ever, without an end": (file("a", 5), 10**18, True),
    "just before it expires": (file("a", 0, expires=5), 4, True),
    "as it expires": (file("a", 0, expires=5), 5, False),
    "as it is deleted": (file("a", 0, deleted=5), 5, False),
    "deleted before it would expire": (file("a", 0, expires=9, deleted=5), 6, False),
    "expired before it was deleted": (file("a", 0, expires=5, deleted=9), 6, False),
}


@pytest.mark.parametrize(("record", "now", "expected"), EXISTS.values(), ids=EXISTS)
def test_a_file_exists_from_creation_to_its_end(
    record: FileRecord, now: int, *, expected: bool
) -> None:
    """A file is there from its creation on, and not any more at the moment of its end."""
    kept = store(record)
    assert expected is (kept.get("a", now) is not None)
    assert expected is bool(list(kept.existing(now)))
    assert "a" in kept
