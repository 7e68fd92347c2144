"""Ids and chance: everything that looks random follows from the seed, here and nowhere else.

The forms are those seen on the wire in 2025 and 2026 (docs/fidelity.md, "Ids").
"""

from __future__ import annotations

import random  # noqa: TID251  # the one place: a generator seeded from the mint's own digest
from dataclasses import dataclass
from hashlib import blake2b

from fakebatch.durations import SECOND

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_LEADING = 33  # a file id begins with a digit or a capital letter
_FILE_ID_LENGTH = 22
_KEY_LENGTH = 64  # of blake2b


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes ids: the same seed and the same parts always give the same id."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) > _KEY_LENGTH:
            object.__setattr__(self, "seed", blake2b(self.seed).digest())

    def digest(self, *parts: object, size: int = 16) -> bytes:
        """Seed material for `parts`: `size` bytes, at most 64."""
        text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=size, key=self.seed).digest()

    def line(self, index: int | None) -> bytes:
        """64 bytes for a request line: half for the ids of its result, half for its answer."""
        return blake2b(b"line\x1f%d" % (-1 if index is None else index), key=self.seed).digest()

    def stamped(self, prefix: str, at: int, *parts: object) -> str:
        """An id such as `batch_…`: 32 hex digits that begin with the unix second of minting."""
        return prefix + stamp(self.digest(prefix, *parts).hex(), at)

    def file(self, *parts: object) -> str:
        """`file-` and 22 base58 characters, the first of them a digit or a capital."""
        number = int.from_bytes(self.digest("file", *parts, size=20))
        number, leading = divmod(number, _BASE58_LEADING)
        letters = [_BASE58[leading]]
        for _ in range(_FILE_ID_LENGTH - 1):
            number, digit = divmod(number, 58)
            letters.append(_BASE58[digit])
        return "file-" + "".join(letters)

    def request(self, number: int) -> str:
        """The `x-request-id` of the n-th request: `req_` and 32 hex digits."""
        return "req_" + self.digest("request", number).hex()

    def share(self, *parts: object) -> float:
        """A number from 0 to less than 1."""
        return int.from_bytes(self.digest("share", *parts, size=6)) / 2**48

    def order(self, count: int, *parts: object) -> list[int]:
        """A shuffle of range(count); with two or more never the order they came in."""
        places = list(range(count))
        random.Random(self.digest("order", *parts)).shuffle(places)  # noqa: S311  # no secret
        if count > 1 and all(place == index for index, place in enumerate(places)):
            places.append(places.pop(0))
        return places


_QUARTER = {digit: "048c"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def stamp(digits: str, at: int) -> str:
    """32 hex digits in the structure of OpenAI's ids: time, `8190` marker, variant nibble."""
    quarter, variant = _QUARTER[digits[11]], _VARIANT[digits[16]]
    return f"{at // SECOND:08x}{digits[8:11]}{quarter}8190{variant}{digits[17:]}"


def dashed(digits: str) -> str:
    """32 hex digits as a version 4 UUID: the `request_id` of a result line since 2026."""
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
