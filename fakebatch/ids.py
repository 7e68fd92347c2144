"""Ids and pseudo-random numbers, all of which are derived from the seed.

The forms of ids are those seen on the wire in 2025 and 2026 (docs/evidence/fidelity.md, "Ids").
"""

from __future__ import annotations

import random  # noqa: TID251  # the one place: everything it draws follows from a seed
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from string import Formatter
from typing import Any

from fakebatch.durations import SECOND

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's
_BASE58_LEADING = 33  # a file id begins with a digit or a capital letter
_FILE_ID_LENGTH = 22
_KEY_LENGTH = 64  # of blake2b


@dataclass(frozen=True, slots=True)
class IdFactory:
    """Makes ids and draws numbers: the same seed and the same parts always give the same."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) > _KEY_LENGTH:
            object.__setattr__(self, "seed", blake2b(self.seed).digest())

    def digest(self, *parts: object, size: int = 16) -> bytes:
        """A hash of the seed and `parts`: `size` bytes, at most 64."""
        text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
        return _hashed(self.seed, text, size)

    def line(self, index: int | None) -> bytes:
        """64 bytes for a request line: half for the ids of its result, half for its response."""
        return _hashed(self.seed, b"line\x1f%d" % (-1 if index is None else index), 64)

    def new(self, form: str, at: int, *parts: object) -> str:
        """A new id, created at `at`, in a form such as `batch_{stamp}`; see FORMS.

        After the prefix `base64:` the rest of the form is encoded.
        """
        return format_id(form, self.digest(form, *parts, size=64), at)

    def share(self, *parts: object) -> float:
        """A number from 0 to less than 1."""
        return int.from_bytes(self.digest("share", *parts, size=6)) / 2**48

    def order(self, count: int, *parts: object) -> list[int]:
        """A shuffle of range(count), which is never range(count) itself if that has two or more."""
        places = list(range(count))
        random.Random(self.digest("order", *parts)).shuffle(places)  # noqa: S311  # no secret
        if count > 1 and all(place == index for index, place in enumerate(places)):
            places.append(places.pop(0))
        return places


def _hashed(seed: bytes, text: bytes, size: int) -> bytes:
    hashed = _begun(seed, size).copy()
    hashed.update(text)
    return hashed.digest()


@lru_cache
def _begun(seed: bytes, size: int) -> blake2b:
    # a key is hashed as a block of its own before the text; with the copy this is done once
    return blake2b(digest_size=size, key=seed)


_states: dict[object, tuple[Any, ...]] = {}
"""The state of `random` at the beginning of each block of `seeded_random`, in their order."""


@contextmanager
def seeded_random(id_factory: IdFactory) -> Generator[None]:
    """Seed the module `random`, from which clients draw the jitter of retries; restore its state.

    Blocks may end in any order: the last to end restores the state before the first.
    """
    block = object()
    _states[block] = random.getstate()
    random.seed(id_factory.digest("random"))
    try:
        yield
    finally:
        blocks = [*_states]
        later = blocks[blocks.index(block) + 1 :]
        state = _states.pop(block)
        if later:
            _states[later[0]] = state
        else:
            random.setstate(state)


def signature(id_: str) -> str:
    """The signature in the URL of a result file, which can be downloaded without a key."""
    return blake2b(id_.encode(), digest_size=16).hexdigest()


def _base58(digits: str, _: int) -> str:
    number, leading = divmod(int(digits[:40], 16), _BASE58_LEADING)
    letters = [_BASE58[leading]]
    for _ in range(_FILE_ID_LENGTH - 1):
        number, digit = divmod(number, 58)
        letters.append(_BASE58[digit])
    return "".join(letters)


def _ulid(digits: str, at: int) -> str:
    number = at // 1_000 << 80 | int(digits[:20], 16)
    return "".join(_BASE32[number >> 5 * place & 31] for place in range(25, -1, -1))


_QUARTER = {digit: "048c"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def stamp(digits: str, at: int) -> str:
    """32 hex digits in the structure of OpenAI's ids: time, `8190` marker, variant nibble."""
    quarter, variant = _QUARTER[digits[11]], _VARIANT[digits[16]]
    return f"{_second(at)}{digits[8:11]}{quarter}8190{variant}{digits[17:32]}"


@lru_cache
def _second(at: int) -> str:
    return f"{at // SECOND:08x}"


def dashed(digits: str) -> str:
    """32 hex digits as a version 4 UUID: the `request_id` of a result line since 2026."""
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


FORMS: dict[str, Callable[[str, int], str]] = {
    "stamp": stamp,
    "base58": _base58,
    "base62": lambda digits, _: "".join(_BASE62[byte % 62] for byte in bytes.fromhex(digits[:48])),
    "hex": lambda digits, _: digits[:32],
    "hex24": lambda digits, _: digits[:24],
    "hex16": lambda digits, _: digits[:16],
    "digits": lambda digits, _: f"{int(digits[:16], 16) % 10**19:019}",
    "uuid": lambda digits, _: dashed(digits[64:96]),
    "ulid": _ulid,
    "request_ulid": lambda digits, at: _ulid(digits[64:], at),
}
"""The names that may be in the braces of a form. Made of 128 hex digits and a moment.

`stamp` is 32 hex digits that begin with the unix second, `base58` 22 letters and digits, `base62`
24, `hex` 32 hex digits, `hex24` and `hex16` fewer, `digits` 19 decimal digits, `ulid` a ULID in
lower case, `request_ulid` another one, for the `request_id` of a result line.
"""

MakeId = Callable[[str, int], str]


def format_id(form: str, digest: bytes, at: int) -> str:
    """The id in a form for 64 bytes of digest, created at `at`."""
    return id_maker(form)(digest.hex(), at)


@lru_cache(maxsize=256)
def id_maker(form: str) -> MakeId:
    """A function that makes ids of a form from the hex digits of a digest and a moment."""
    if form.startswith("base64:"):
        inner = id_maker(form.removeprefix("base64:"))
        return lambda digits, at: b64encode(inner(digits, at).encode()).decode()
    pieces = [(text, FORMS[name] if name else None) for text, name, *_ in Formatter().parse(form)]
    match pieces:
        case [(prefix, make)] if make is not None:
            return lambda digits, at: prefix + make(digits, at)
        case _:
            return lambda digits, at: "".join(
                text if make is None else text + make(digits, at) for text, make in pieces
            )
