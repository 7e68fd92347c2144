"""The errors and warnings for the author of a test. Messages have three lines.

The errors derive from the BaseException that `pytest.fail` raises. The SDK turns every Exception of
a transport into "Connection error." and retries, and polling loops catch Exception. For pytest such
an error is a failed test wherever it is raised. After any other BaseException it would not finish
the teardown, and what is active would stay active in the next test.
"""

from __future__ import annotations

from collections.abc import Iterable

# Importing pytest itself takes 100 ms, this module 0.3 ms.
from _pytest.outcomes import Failed

SHOWN = 5
"""How many of many names a message has."""


class FakeBatchError(Failed):
    """Base class of all errors of fakebatch: what came, what was known, what to do."""

    def __init__(self, what_came: str, what_was_known: str, what_to_do: str) -> None:
        parts = (what_came, what_was_known, what_to_do)
        # what a part quotes may have several lines, as the text of a pydantic error has
        lines = (" ".join(map(str.strip, part.split("\n"))) for part in parts)
        super().__init__("fakebatch: " + "\n".join(lines))
        self.args = parts  # for pickle

    __module__ = "fakebatch"
    __repr__ = BaseException.__repr__


class UsageError(FakeBatchError):
    """Wrong use of fakebatch: an argument or a call that has no meaning."""

    __module__ = "fakebatch"


class RefusedRequest(FakeBatchError):
    """A request to something that is not emulated. It was not sent."""

    __module__ = "fakebatch"


class FakeBatchWarning(UserWarning):
    """A problem with which the test can go on."""

    __module__ = "fakebatch"


def first_of(names: Iterable[str], most: int = SHOWN) -> str:
    """Names for a message: `a, b and c`; of more than `most` the first: `a, b, c and 2 more`."""
    listed = [*names]
    if len(listed) > most:
        listed[most:] = [f"{len(listed) - most} more"]
    return " and ".join(filter(None, (", ".join(listed[:-1]), *listed[-1:])))
