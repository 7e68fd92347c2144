"""What fakebatch says to the author of a test: loud, in three lines, and impossible to swallow.

The family derives from BaseException, as pytest.fail's does: the SDK turns every Exception of a
transport into "Connection error." and retries it, and polling loops catch Exception.
"""

from __future__ import annotations


class FakeBatchError(BaseException):
    """Base of everything fakebatch raises at a test: what came, what was known, what to do."""

    def __init__(self, what_came: str, what_was_known: str, what_to_do: str) -> None:
        super().__init__(f"fakebatch: {what_came}\n{what_was_known}\n{what_to_do}")

    __module__ = "fakebatch"


class Misuse(FakeBatchError):
    """The test asked fakebatch for something that has no meaning."""

    __module__ = "fakebatch"


class RefusedRequest(FakeBatchError):
    """A request that nobody emulates; it was not sent."""

    __module__ = "fakebatch"


class FakeBatchWarning(UserWarning):
    """What a test should hear of although it can go on."""

    __module__ = "fakebatch"
