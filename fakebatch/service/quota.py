"""How much a client may ask for: calls in a time, and tokens that wait to be run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from fakebatch import replies
from fakebatch.batch.validation import Judgement


class Rate:
    """The calls of the last `per` microseconds."""

    def __init__(self, per: int) -> None:
        self._per = per
        self._calls: deque[int] = deque()

    def allows(self, limit: int | None, now: int) -> bool:
        """Count a call, unless there were `limit` already."""
        while self._calls and self._calls[0] <= now - self._per:
            self._calls.popleft()
        if limit is not None and len(self._calls) >= limit:
            return False
        self._calls.append(now)
        return True

    def frees(self, limit: int | None) -> int:
        """When none of these calls counts any more; 0 while there is room for another."""
        return 0 if limit is None or len(self._calls) < limit else self._calls[-1] + self._per

    def copy(self) -> Rate:
        """The same calls, counted by another."""
        other = Rate(self._per)
        other._calls.extend(self._calls)
        return other


class Share(NamedTuple):
    """What one batch takes of the quota of its model."""

    batch: str
    model: str
    tokens: int


class Quota:
    """The shares of batches that have not ended long enough ago.

    Args:
        released: until when a batch counts, in microseconds; a cancel makes it another moment.
    """

    def __init__(self, released: Callable[[str], int]) -> None:
        self._released = released
        self._shares: list[Share] = []

    def enqueue(self, share: Share, limit: int, now: int) -> bool:
        """Count a batch, unless that were more than `limit` tokens of its model."""
        self._shares = [one for one in self._shares if now < self._released(one.batch)]
        waiting = sum(one.tokens for one in self._shares if one.model == share.model)
        fits = waiting + share.tokens <= limit
        if fits:
            self._shares.append(share)
        return fits

    def copy(self) -> Quota:
        """The same shares, counted by another."""
        other = Quota(self._released)
        other._shares.extend(self._shares)
        return other


def prompt_tokens(judged: Judgement) -> int:
    """What all lines ask. Answers do not count, nor does `max_tokens` (OpenAI's FAQ)."""
    lines = judged.lines
    return sum(replies.asked(lines.request(index).body) for index in range(len(lines)))
