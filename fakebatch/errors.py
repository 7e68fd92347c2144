"""What fakebatch says to the author of a test: loud, in three lines, and impossible to swallow.

The family derives from what `pytest.fail` raises, a BaseException: the SDK turns every Exception of
a transport into "Connection error." and retries it, and polling loops catch Exception. To pytest
such an error is a failed test wherever it is raised. After another BaseException it stops clearing
up, and whatever was active stays so for the next test.
"""

from __future__ import annotations

# Not pytest itself, which takes a tenth of a second to import: this is its class, and 0.3 ms.
from _pytest.outcomes import Failed


class FakeBatchError(Failed):
    """Base of everything fakebatch raises at a test: what came, what was known, what to do."""

    def __init__(self, what_came: str, what_was_known: str, what_to_do: str) -> None:
        super().__init__(f"fakebatch: {what_came}\n{what_was_known}\n{what_to_do}")
        self.args = (what_came, what_was_known, what_to_do)  # what pickle makes it of again

    __module__ = "fakebatch"
    __repr__ = BaseException.__repr__


class UsageError(FakeBatchError):
    """The test asked fakebatch for something that has no meaning."""

    __module__ = "fakebatch"


class RefusedRequest(FakeBatchError):
    """A request that nobody emulates; it was not sent."""

    __module__ = "fakebatch"


class FakeBatchWarning(UserWarning):
    """What a test should hear of although it can go on."""

    __module__ = "fakebatch"
