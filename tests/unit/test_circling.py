from __future__ import annotations

import pytest

from fakebatch import FakeBatchError
from fakebatch.durations import SECOND
from fakebatch.wire.circling import ENOUGH, Circle
from fakebatch.wire.exchange import Request


def request(after: str | None, path: str = "/batches") -> Request:
    return Request("GET", path, {} if after is None else {"after": after}, {}, b"")


def test_the_same_page_again_and_again_is_told() -> None:
    """After a hundred times, and with what to do."""
    circle = Circle()
    for _ in range(ENOUGH):
        circle.asked(request("batch_1"), 0)
    with pytest.raises(FakeBatchError, match="101 times the same page") as caught:
        circle.asked(request("batch_1"), 0)

    assert str(caught.value).count("\n") == 2
    assert "after='batch_1'" in str(caught.value)


OTHERS = {
    "the first page, as a poller asks for it": [(request(None), 0)],
    "other pages": [(request("a"), 0), (request("b"), 0)],
    "other lists": [(request("a"), 0), (request("a", "/files"), 0)],
    "something in between": [(request("a"), 0), (request(None, "/batches/b"), 0)],
    "time in between": [(request("a"), second * SECOND) for second in range(3)],
}


@pytest.mark.parametrize("asked", OTHERS.values(), ids=OTHERS)
def test_no_other_loop_is(asked: list[tuple[Request, int]]) -> None:
    """Pages that differ, and pollers, go round as often as they like."""
    circle = Circle()
    for _ in range(3 * ENOUGH):
        for one, now in asked:
            circle.asked(one, now)
