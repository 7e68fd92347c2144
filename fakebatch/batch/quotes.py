"""What result lines repeat of their request lines, as places in the input file, not as objects.

Validation has each line parsed. Where requests that no rule meets are answered alike, it notes what
their results will need, so that writing them parses nothing again: that takes half of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from struct import Struct
from typing import Any

from pydantic_core import to_json

from fakebatch.dialects import Dialect, canonical
from fakebatch.replies import chat
from fakebatch.scenario import Echoes, Outcome, Says, Scenario

_ENDPOINT = "/v1/chat/completions"
_PLACES = Struct("6Q")
_NOWHERE = bytes(_PLACES.size)
_TAIL = 32


Gist = tuple[bytes, bytes, int, int, str]
"""All in which the results of plain requests differ, but for their ids: custom_id and text as JSON,
the tokens of the prompt and of the completion, the model."""


class Quotes:
    """The gist of every request line of a batch, which is written to once and then only read.

    Args:
        content: the input file.
        text: what every answer says; None: what its request does.
        model: takes the place of the model of every line, if it is not empty.
    """

    def __init__(self, content: bytes, text: str | None, model: str) -> None:
        self._content = content
        self._text = text
        self._quoted = None if text is None else _quoted(text)
        self._model = model
        self._places = bytearray()
        self._models: list[str] = []  # empty: nothing is noted of the line
        self._names: dict[str, str] = {}

    def gist(self, said: Mapping[str, Any]) -> Gist | None:
        """What the result of a parsed line is made of; None if it demands more than words."""
        body: Mapping[str, Any] = said["body"]
        answer = chat.plain(body, self._text)
        if answer is None:
            return None
        text, prompt, completion = answer
        quoted, model = self._quoted or _quoted(text), self._model or body["model"]
        return _quoted(said["custom_id"]), quoted, prompt, completion, model

    def note(self, start: int, raw: bytes, said: Mapping[str, Any]) -> None:
        """Note the next line, which begins at `start` and says what has been parsed.

        Nothing is noted of one that writes its texts otherwise than its result will, in ASCII.
        """
        gist = self.gist(said) if raw.isascii() else None
        places = gist and self._places_of(gist, start, raw)
        self._places += places or _NOWHERE
        self._models.append(self._names.setdefault(gist[4], gist[4]) if gist and places else "")

    def noted(self, index: int) -> Gist | None:
        """The gist of a line; None where nothing is noted of it."""
        model = self._models[index]
        if not model:
            return None
        places = _PLACES.unpack_from(self._places, index * _PLACES.size)
        id_start, id_end, start, end, prompt, completion = places
        content = self._content
        text = self._quoted or content[start:end]
        return content[id_start:id_end], text, prompt, completion, model

    def _places_of(self, gist: Gist, start: int, raw: bytes) -> bytes | None:
        """Where its texts stand: anywhere will do where there are the same bytes."""
        custom_id, text, prompt, completion, _ = gist
        at = raw.find(custom_id)
        to = 0 if self._quoted else _place(text, raw)
        if at < 0 or to < 0:
            return None
        at, to = start + at, start + to
        return _PLACES.pack(at, at + len(custom_id), to, to + len(text), prompt, completion)


def _place(quoted: bytes, raw: bytes) -> int:
    # to search for the end and compare the rest takes half of the time of a search for all
    tail = quoted[-_TAIL:]
    start = raw.rfind(tail) + len(tail) - len(quoted)
    return start if start >= 0 and raw.startswith(quoted, start) else -1


def _quoted(text: str) -> bytes:
    # what is ASCII both write alike but for DEL, and the first is three times as fast
    if text.isascii() and "\x7f" not in text:
        return to_json(text)
    return encode_basestring_ascii(text).encode()


def answers_alike(endpoint: str, scenario: Scenario, dialect: Dialect) -> bool:
    """Whether requests that no rule meets get their default answer, or all the same text."""
    return (
        canonical(endpoint) == _ENDPOINT
        and "body_text" not in dialect.shapes.answered
        and (scenario.otherwise == Echoes() or constant(scenario.otherwise) is not None)
    )


def constant(outcome: Outcome) -> str | None:
    """The text that is every answer, if there is one."""
    return outcome.answer if isinstance(outcome, Says) and isinstance(outcome.answer, str) else None
