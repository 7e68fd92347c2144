"""Result lines of plain chat requests, which differ in eight values alone: a template is filled.

The template is a line like any other, written with marks in the place of those values, so that it
has whatever shape result lines have. A batch of 50,000 takes a fifth of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import Any

from fakebatch.batch.answering import Answered
from fakebatch.batch.input_file import parsed
from fakebatch.batch.plan import Plan
from fakebatch.batch.quotes import Quotes
from fakebatch.batch.result_line import Ids, wire_line, written, written_line
from fakebatch.durations import SECOND
from fakebatch.ids import maker
from fakebatch.replies import Charge, chat

_LINE, _REQUEST, _ANSWER, _CUSTOM_ID, _TEXT = (f"\x01{number}" for number in range(5))
_PROMPT, _COMPLETION = 9_007_199_254_740_001, 9_007_199_254_740_002
_MARKS = (
    *(encode_basestring_ascii(mark)[1:-1].encode() for mark in (_LINE, _REQUEST, _ANSWER)),
    *(encode_basestring_ascii(mark).encode() for mark in (_CUSTOM_ID, _TEXT)),
    *(b"%d" % number for number in (_PROMPT, _COMPLETION, _PROMPT + _COMPLETION)),
)
"""What stands in a template for each value; no id or model holds such a sign."""
_MARK = re.compile(b"|".join(map(re.escape, _MARKS)))

Written = tuple[bytes, Charge]
"""A result line, and what its answer was charged for."""

Template = tuple[bytes, Callable[[tuple[bytes | int, ...]], Any]]
"""A line with its values left open, and what brings them into the order of the line."""


class PlainLines:
    """Writes the result lines of requests that no rule meets, where these are answered alike."""

    def __init__(self, plan: Plan, quotes: Quotes) -> None:
        self._lines = plan.input.lines
        self._quotes = quotes
        self._mint = plan.input.mint
        self._dialect = plan.input.dialect
        self._written = written(plan)
        forms = plan.input.dialect.ids
        self._line_id, self._request_id = maker(forms.line), maker(forms.request)
        self._templates: dict[str, Template] = {}

    def line(self, index: int) -> Written | None:
        """The result of a request; None if it demands more than plain words."""
        quotes = self._quotes
        gist = quotes.noted(index) or quotes.gist(parsed(self._lines.raw(index)))
        if gist is None:
            return None
        custom_id, text, prompt, completion, model = gist
        line, in_order = self._templates.get(model) or self._template(model)
        seed, at = self._mint.line(index), self._written
        digits = seed.hex()
        values = (
            self._line_id(digits, at).encode(),
            self._request_id(digits, at).encode(),
            chat.id_of(seed[32:]).encode(),
            custom_id,
            text,
            prompt,
            completion,
            prompt + completion,
        )
        return line % in_order(values), (prompt, completion, 0, 0)

    def _template(self, model: str) -> Template:
        answer = (_TEXT, _PROMPT, _COMPLETION)
        snapshot = self._dialect.snapshot(model)
        body = chat.written(_ANSWER, self._written // SECOND, snapshot, answer)
        made = Ids(_LINE, _REQUEST)
        wire = wire_line(self._dialect.shapes, _CUSTOM_ID, made, Answered(200, body))
        line = written_line(_CUSTOM_ID, wire) + b"\n"
        return self._templates.setdefault(model, _left_open(line))


def _left_open(line: bytes) -> Template:
    in_order = itemgetter(*map(_MARKS.index, _MARK.findall(line)))
    escaped = line.replace(b"%", b"%%")
    return _MARK.sub(lambda mark: b"%d" if mark[0].isdigit() else b"%b", escaped), in_order
