"""Progress of a batch: piecewise linear, so that `request_counts` can be computed for a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NEVER = 1 << 62
"""A moment, or a time in microseconds, that nobody lives to see."""

WHOLE = 1_000_000
"""All of the work, in parts."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Points (moment, parts done) in order of time, between which the work goes on evenly."""

    points: tuple[tuple[int, int], ...]

    @property
    def ends(self) -> int:
        """When all of it is done; NEVER if it never is."""
        at, done = self.points[-1]
        return at if done >= WHOLE else NEVER

    @property
    def rests(self) -> int:
        """From when on nothing more gets done."""
        return max((at for at, _ in self.points if at < NEVER), default=NEVER)

    def done(self, total: int, now: int) -> int:
        """How many of `total` are done by now."""
        at, parts = now, 0
        for then, more in self.points:
            if now < then:
                part, span = now - at, then - at
                return total * (parts * span + (more - parts) * part) // (WHOLE * span)
            at, parts = then, more
        return total * parts // WHOLE

    def stalled(self, parts: int, lasts: int) -> Progress:
        """The same, with a pause once so many parts are done."""
        before = [point for point in self.points if point[1] < parts]
        pause = self._reaches(parts)
        after = [(min(at + lasts, NEVER), done) for at, done in self.points if done >= parts]
        resumed = [(at, parts if at == NEVER else done) for at, done in after]
        ends = min(pause + lasts, NEVER)
        return Progress((*before, (pause, parts), (ends, parts), *resumed))

    def finished_by(self, now: int, end: int) -> Progress:
        """The same past, and everything done at `end`."""
        past = tuple(point for point in self.points if point[0] < now)
        return Progress((*past, (now, self.done(WHOLE, now)), (end, WHOLE)))

    def _reaches(self, parts: int) -> int:
        for (at, done), (then, more) in pairwise(self.points):
            if done < parts <= more:
                return at + (then - at) * (parts - done) // (more - done)
        return self.points[0][0]


def steady(start: int, takes: int, curve: Sequence[tuple[float, float]] = ()) -> Progress:
    """Progress over so long; the curve has points (part of the time, part of the lines)."""
    between = [(start + round(x * takes), round(y * WHOLE)) for x, y in curve]
    return Progress(((start, 0), *between, (start + takes, WHOLE)))
