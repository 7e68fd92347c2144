"""The question: everything an answer may depend on, so that an answer is a pure function of it."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import blake2b
from typing import Any, NamedTuple

_NO_SIGNS = bytes.maketrans(b"+/", b"Aa")


class Question(NamedTuple):
    """One request to a model."""

    endpoint: str
    """`/v1/chat/completions`."""
    body: dict[str, Any]
    key: bytes
    """32 random bytes that no other request has; the ids of the answer follow from them."""
    created: int
    """When it is answered, in unix seconds."""
    model: str
    """The snapshot the answer names."""

    def letters(self, count: int, what: str = "") -> str:
        """Letters and digits, at most 86, that only this question has, for each `what` others."""
        return letters(blake2b(self.key + what.encode()).digest(), count)

    def digits(self) -> str:
        """128 hexadecimal digits that only this question has."""
        return blake2b(self.key).hexdigest()


def letters(digest: bytes, count: int) -> str:
    """Letters and digits, at most four for three bytes of digest."""
    return b2a_base64(digest)[:count].translate(_NO_SIGNS).decode()
