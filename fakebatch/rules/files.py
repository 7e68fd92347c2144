"""Uploads: the selector `on_file`, and its verbs: when files are ready, visible or expired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from fakebatch.durations import microseconds
from fakebatch.rules.rule import (
    Occurrence,
    Predicate,
    Rule,
    Selection,
    Span,
    holds,
    method,
    verb,
)

if TYPE_CHECKING:
    from fakebatch.service.records import FileRecord


@verb("processing('10s')")
class Processing:
    """The files are not ready for this long; until then no batch can use them."""

    duration: Span
    _: KW_ONLY
    broken: bool = False
    """They end in status `error` instead of `processed`."""


@verb("not_found_for('3s')")
class NotFoundFor:
    """The files are not found (404) for this long after their upload."""

    duration: Span


@verb("expire('1h')")
class Expire:
    """The files expire after this long, whatever `expires_after` of their upload is."""

    after: Span


class Upload(Protocol):
    """What a predicate gets: a file as it was sent, in one call or in parts."""

    @property
    def filename(self) -> str: ...  # noqa: D102
    @property
    def purpose(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FileSelector(Occurrence):
    """Selects uploads: `nth` and `times` count those for which the other conditions hold."""

    example: ClassVar[str] = "on_file(nth=2).processing('10s')"

    _: KW_ONLY
    purpose: str | None = None
    filename: str | None = None
    """The name, or a pattern: `*.jsonl`."""
    where: Predicate | None = field(default=None, repr=False)
    """A predicate, called with the file."""

    def matches(self, file: FileRecord) -> bool:
        """Whether all conditions but the order hold for an upload."""
        name = self.filename
        return (
            self.purpose in (None, file.purpose)
            and (name in (None, file.filename) or fnmatchcase(file.filename, name or ""))
            and holds(self.where, file, "on_file", repr(file.filename))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule(FileSelector, Rule):
    """A rule about uploads."""

    family = "on_file"

    processing: Processing | None = None
    not_found_for: NotFoundFor | None = None
    expire: Expire | None = None


class OnFile(Selection[FileRule]):
    """The uploads that a test selected, of those made from now on."""

    rule = FileRule
    processing = method(Processing)
    not_found_for = method(NotFoundFor)
    expire = method(Expire)


class FileOverrides(NamedTuple):
    """What rules change about one file. Durations are microseconds from its creation."""

    ready_after: int = 0
    """When it is processed."""
    broken: bool = False
    """It ends in status `error` instead of `processed`."""
    found_after: int = 0
    """When it can be found."""
    expires_after: int | None = None
    """When it expires; None if its upload decides."""
    listed: bool = True
    """Whether a list has it."""


USUAL = FileOverrides()


def overrides(rules: Iterable[FileRule]) -> FileOverrides:
    """What several rules change about an upload; of the same verb the last wins."""
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
