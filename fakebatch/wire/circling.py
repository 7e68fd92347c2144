"""Tells a listing that never ends: the same page is asked for, over and over, at one moment.

The SDK takes a page without `has_more` for one of many, and asks for what comes after its last. A
provider that does not look at `after` answers with the same page: the loop over it never ends.
"""

from __future__ import annotations

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.wire.exchange import Request

ENOUGH = 100
"""How often the same page may be asked for in a row and within a second."""


class Circle:
    """What was asked for last, and how often in a row."""

    def __init__(self) -> None:
        self._last: tuple[str, str | None, int] = ("", None, 0)
        self._times = 0

    def asked(self, request: Request, now: int) -> None:
        """Note a request.

        Raises:
            FakeBatchError: it is for the same page as the hundred before it.
        """
        asked = (request.path, request.query.get("after"), now // SECOND)
        self._times = self._times + 1 if asked == self._last else 1
        self._last = asked
        if self._times > ENOUGH and asked[1] is not None:
            raise FakeBatchError(
                f"the loop over {request.path} never ends: {self._times} times the same page.",
                f"This provider does not look at after={asked[1]!r}, and names no has_more.",
                "Take the first page alone: client.batches.list().data.",
            )
