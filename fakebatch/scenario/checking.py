"""What every part of a scenario has to check of its values."""

from __future__ import annotations

from collections.abc import Collection

from fakebatch.errors import UsageError as Misuse


def counts(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number that one can count to."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_part(value: object) -> bool:
    """Whether a value is a part of a whole: from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def one_of(what: str, value: object, known: Collection[str]) -> None:
    """Check a value that has to be one of a few.

    Raises:
        Misuse: it is none of them.
    """
    if value not in known:
        raise Misuse(
            f"{value!r} is no {what}.",
            f"Known are {', '.join(map(repr, known))}.",
            "Use one of these.",
        )
