"""Uploads: what `on_file` selects, and when they are ready, found, or gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

from fakebatch.durations import microseconds
from fakebatch.rules.rule import Occurrence, Rule, Selection, Span, method, verb


@verb("processing('10s')")
class Processing:
    """They are not processed for so long; no batch can be created with one meanwhile."""

    duration: Span
    _: KW_ONLY
    broken: bool = False
    """They end in status `error`."""


@verb("not_found_for('3s')")
class NotFoundFor:
    """They cannot be found for so long after their upload."""

    duration: Span


@verb("expire('1h')")
class Expire:
    """They are gone after so long, whatever their upload asked for."""

    after: Span


@dataclass(frozen=True, slots=True)
class FileSelector(Occurrence):
    """Selects uploads by the order in which they come, and by their purpose."""

    example: ClassVar[str] = "on_file(nth=2).processing('10s')"

    _: KW_ONLY
    purpose: str | None = None

    def matches(self, number: int, purpose: str) -> bool:
        """Whether the `number`th upload is selected, counted from 1."""
        return self.includes(number) and self.purpose in (None, purpose)


@dataclass(frozen=True, slots=True)
class FileRule(FileSelector, Rule):
    """Uploads that are not what they should be, when they should be."""

    family: ClassVar[str] = "on_file"
    verbs: ClassVar[tuple[str, ...]] = ("processing", "not_found_for", "expire")

    _: KW_ONLY
    processing: Processing | None = None
    not_found_for: NotFoundFor | None = None
    expire: Expire | None = None

    def __post_init__(self) -> None:
        self.check_verb()


class OnFile(Selection[FileRule]):
    """The uploads a test has selected, of those that come from now on."""

    rule = FileRule
    selector = FileSelector
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
