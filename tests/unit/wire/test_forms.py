"""Forms in pieces that are cut anywhere, as a socket yields them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from fakebatch.wire.forms import LONGEST, fields

END = b"--b--\r\n"


def field(content: bytes, *heads: bytes) -> bytes:
    return b"\r\n".join([b"--b", *heads, b"", content, b""])


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start:][:size] for start in range(0, len(body), size)]


CONTENTS = {
    "nothing": b"",
    "a line": b'{"a": 1}\n',
    "line ends": b"\r\n\r\n\r\n",
    "lines that begin like a delimiter": b"x\r\n--boundary\r\n--b-\r\n--b--x\r\n--b x",
    "a delimiter after a line feed alone": b"x\n--b\r\ny",
    "half a delimiter at the end": b"x\r\n--",
    "half a line end at the end": b"x\r\r",
    "a long line that begins like a delimiter": b"\r\n--b" + b"x" * 5000,
    "blanks behind what looks like a delimiter": b"\r\n--b" + b" " * 5000 + b"x",
}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 100_000])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_content_is_read_to_the_byte(content: bytes, size: int) -> None:
    """Wherever the pieces are cut."""
    body = b"preamble\r\n" + field(content) + field(b"2", b"X: y") + END + b"epilogue"
    if size == 1 and len(content) > 1000:
        size = 7
    expected = [(b"", content), (b"X: y", b"2")]
    assert [*fields(cut(body, size), b"--b")] == expected


def test_a_head_may_be_cut_behind_long_content() -> None:
    """What has been read of a piece does not count as a long head."""
    content = b"x" * 2 * LONGEST
    body = field(content) + field(b"2", b"X: y") + END
    at = body.index(b"X: y") + 1
    assert [*fields([body[:at], body[at:]], b"--b")] == [(b"", content), (b"X: y", b"2")]


def test_content_may_have_as_much_before_it_as_behind() -> None:
    """It is still not the whole piece."""
    assert [*fields([b"--b\r\n\r\nhello\r\n--b--"], b"--b")] == [(b"", b"hello")]


BROKEN = {
    "nothing": b"",
    "no delimiter": b"hello\r\n",
    "no field": END,
    "another delimiter": field(b"1").replace(b"--b", b"--c"),
    "cut off in a head": b"--b\r\nX: y",
    "cut off behind a head": b"--b\r\nX: y\r\n\r\n",
    "cut off in content": field(b"1")[:-2],
    "cut off before the last delimiter": field(b"1"),
    "cut off in the last delimiter": field(b"1") + b"--b-",
    "a long preamble": b"x" * (LONGEST + 2000) + field(b"1") + END,
    "a long head": field(b"1", b"x" * (LONGEST + 2000)) + END,
}


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_form_is_an_error(body: bytes, size: int) -> None:
    """It is never a file that is cut off."""
    if size == 1 and len(body) > 1000:
        size = 50
    with pytest.raises(ValueError, match="the body is"):
        [*fields(cut(body, size), b"--b")]


def test_content_that_is_one_piece_is_not_copied() -> None:
    """It is the caller's own object."""
    content = b"{}\n" * 1000
    pieces = [b"--b\r\n", b"X: y\r\n\r\n", content, b"\r\n", END]
    [(_, read)] = fields(pieces, b"--b")
    assert read is content


def test_content_in_many_pieces_is_held_once() -> None:
    """It is gathered as it arrives."""
    size, block = 20_000_000, b"x" * 65_536

    def body() -> Iterator[bytes]:
        yield field(b"").removesuffix(b"\r\n")
        for _ in range(size // len(block)):
            yield bytes(bytearray(block))
        yield b"\r\n" + END

    tracemalloc.start()
    [(_, read)] = fields(body(), b"--b")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(read) == size // len(block) * len(block)
    assert peak < 1.25 * size
