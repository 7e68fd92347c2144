"""Uploads: what `on_file` selects, and when they are ready, found, or gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

from fakebatch.durations import microseconds
from fakebatch.rules.rule import Occurrence, Rule, Selection, Span, method, verb


@verb("processing('10s')")
class Processing:
    """The files take this long to be processed; until then no batch can be created with them."""

    duration: Span
    _: KW_ONLY
    broken: bool = False
    """They end in status `error`, not `processed`."""


@verb("not_found_for('3s')")
class NotFoundFor:
    """The files cannot be found for this long after their upload."""

    duration: Span


@verb("expire('1h')")
class Expire:
    """The files are gone after this long, whatever their upload asked for."""

    after: Span


@dataclass(frozen=True, slots=True)
class FileSelector(Occurrence):
    """Selects uploads by their order and their purpose."""

    example: ClassVar[str] = "on_file(nth=2).processing('10s')"

    _: KW_ONLY
    purpose: str | None = None

    def matches(self, number: int, purpose: str) -> bool:
        """Whether the `number`th upload is selected, counted from 1."""
        return self.includes(number) and self.purpose in (None, purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule(FileSelector, Rule):
    """Uploads that are not ready, not there, or broken when they should not be."""

    family = "on_file"

    processing: Processing | None = None
    not_found_for: NotFoundFor | None = None
    expire: Expire | None = None


class OnFile(Selection[FileRule]):
    """The uploads a test has selected, of those that come from now on."""

    rule = FileRule
    processing = method(Processing)
    not_found_for = method(NotFoundFor)
    expire = method(Expire)


class FileOverrides(NamedTuple):
    """What differs about one file. Durations in microseconds after its creation."""

    ready_after: int = 0
    """Until then it is not processed."""
    broken: bool = False
    """It ends in status `error` instead of `processed`."""
    found_after: int = 0
    """Until then it cannot be found."""
    expires_after: int | None = None
    """Then it is gone; None: as its upload asked for."""


USUAL = FileOverrides()


def overrides(rules: Iterable[FileRule]) -> FileOverrides:
    """What some rules make of an upload; of the same verb the last counts."""
    result = USUAL
    for rule in rules:
        if rule.processing is not None:
            ready = microseconds(rule.processing.duration)
            result = result._replace(ready_after=ready, broken=rule.processing.broken)
        if rule.not_found_for is not None:
            result = result._replace(found_after=microseconds(rule.not_found_for.duration))
        if rule.expire is not None:
            result = result._replace(expires_after=microseconds(rule.expire.after))
    return result
