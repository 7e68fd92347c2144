"""The input file of a batch: where its lines are, and what each asks for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic_core import from_json

from fakebatch.request_line import RequestLine, json_type

_BRACE = ord("}")


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the request lines of a file are: offsets, not objects. Blank lines are none."""

    content: bytes
    starts: array[int]
    ends: array[int]
    numbers: array[int]
    url: str = ""
    """What a line is for that does not say it."""
    model: str = ""
    """Answers all lines, whatever they say, if it is not empty."""

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, index: int) -> bytes:
        """The bytes of a request line, without its line end."""
        return self.content[self.starts[index] : self.ends[index]]

    def request(self, index: int) -> RequestLine:
        """A request line that validation has passed."""
        line = parsed(self.raw(index))
        body = {**line["body"], "model": self.model} if self.model else line["body"]
        return RequestLine(index, line["custom_id"], line.get("url") or self.url, body)

    def only(self, indices: Sequence[int]) -> Lines:
        """The same without the other lines."""
        starts, ends, numbers = (
            array("Q", (of[index] for index in indices))
            for of in (self.starts, self.ends, self.numbers)
        )
        return replace(self, starts=starts, ends=ends, numbers=numbers)


# of texts the keys alone come again, and to remember the others takes half as long again
parsed: Callable[[bytes], Any] = partial(from_json, allow_inf_nan=False, cache_strings="keys")
"""The JSON value of a line, or a ValueError.

Strict, as the service's own parser is: no NaN, no byte order mark, no lone surrogate. Of duplicate
keys the last counts."""


def parsed_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None where the value is no object.

    Raises:
        ValueError: it is not JSON.
    """
    value = parsed(raw)
    return value if json_type(value) == "an object" else None


def find_lines(content: bytes) -> Lines:
    r"""Split at `\n` alone: U+2028, U+2029 and U+0085 may stand raw inside a JSON string."""
    starts, ends, numbers = array("Q"), array("Q"), array("Q")
    start, number, size = 0, 0, len(content)
    while start < size:
        end = content.find(b"\n", start)
        end = size if end < 0 else end
        number += 1
        # most lines end in "}" at once: only the rest is worth a copy to see whether it is blank
        if end > start and (content[end - 1] == _BRACE or content[start:end].strip()):
            starts.append(start)
            ends.append(end)
            numbers.append(number)
        start = end + 1
    return Lines(content, starts, ends, numbers)


def parsed_or_none(raw: bytes) -> Any:
    """The JSON value of a line; None where it is no JSON."""
    try:
        return parsed(raw)
    except ValueError:
        return None


def looks_like_jsonl(content: bytes) -> bool:
    """Whether an upload passes for batch input: its first line is a JSON object.

    Names are not looked at, and later lines only when a batch validates (observed Aug 2025).
    """
    end = content.find(b"\n")
    return json_type(parsed_or_none(content if end < 0 else content[:end])) == "an object"
