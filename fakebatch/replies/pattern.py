r"""Patterns and formats in a schema: matching in bounded time, and texts that may match.

Python's own parser reads the pattern. It is private, but rstr and hypothesis use it too; these make
random texts. The matcher is our own, because `re` backtracks: `^(\w+\s?)+$` takes 2^n steps. Here
each step goes from the set of all positions that a match can have reached to the set after it.
"""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from itertools import chain, product
from typing import Any

_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")

_CHARS = dict.fromkeys(
    string.ascii_lowercase + string.digits + string.ascii_uppercase + "_- .:/@" + string.printable
)
"""Characters to use in texts, the plainest first."""


_DATE = r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
_TIME = r"([01]\d|2[0-3])(:[0-5]\d){2}(\.\d+)?(Z|[+-][01]\d:[0-5]\d)"
_DOMAIN = r"[a-z\d]+([-.][a-z\d]+)*"
_EMAIL = rf"[\w+-]+(\.[\w+-]+)*@{_DOMAIN}\.[a-z]{{2,}}"
_URI = rf"[a-z][a-z\d+.-]*://{_DOMAIN}(:\d{{1,4}})?(/[\w.~-]*)*"
FORMATS = {
    "date": ("2026-01-01", _DATE),
    "date-time": ("2026-01-01T00:00:00Z", rf"{_DATE}T{_TIME}"),
    "duration": ("P1D", r"P\d+[DWMY]|PT\d+[HMS]"),
    **dict.fromkeys(("email", "idn-email"), ("user@example.com", _EMAIL)),
    **dict.fromkeys(("hostname", "idn-hostname"), ("example.com", _DOMAIN)),
    "ipv4": ("192.0.2.1", r"([1-9]?\d|1\d\d)(\.([1-9]?\d|1\d\d)){3}"),
    "ipv6": ("2001:db8::1", r"2001:db8::[\da-f]{1,4}|([\da-f]{1,4}:){7}[\da-f]{1,4}"),
    "json-pointer": ("/a1", r"(/[a-z\d]+)*"),
    "regex": ("a1", r"[a-z\d]*"),
    "relative-json-pointer": ("1", r"[1-9]?\d(/[a-z\d]+)*"),
    "time": ("00:00:00Z", _TIME),
    **dict.fromkeys(
        ("iri", "iri-reference", "uri", "uri-reference", "uri-template"),
        ("https://example.com/", _URI),
    ),
    "uuid": ("00000000-0000-4000-8000-000000000000", r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}"),
}
"""By format: a sample, and a regex for some of the texts that have the format, the sample too."""
_VARIABLE = re.compile(r"\d(?=\D*$)|(?=\.com)")
"""Where a number makes another text of a sample."""


class Unsatisfiable(Exception):
    """No value was found for a schema; the message has the part of it that failed."""


class OverBudget(Exception):
    """The work for one value exceeds its budget."""


class Budget:
    """Bounds the work for one value, in steps of about a microsecond."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Count some steps.

        Raises:
            OverBudget: more than the steps that are left.
        """
        self._left -= steps
        if self._left < 0:
            raise OverBudget


def variants(sample: str, count: int) -> Iterator[str]:
    """A sample of a format, and up to `count` other texts of it, at most eight."""
    yield sample
    for number in range(2, min(count + 2, 10)):
        yield _VARIABLE.sub(str(number), sample, count=1)


def matches(pattern: str, text: str, budget: Budget) -> bool:
    """Whether `pattern` matches somewhere in `text`.

    Raises:
        Unsatisfiable: the pattern cannot be parsed.
        OverBudget: matching takes too long.
    """
    return bool(_ends(_parsed(pattern), text, set(range(len(text) + 1)), budget))


def texts(pattern: str, least: int, budget: Budget) -> Iterator[str]:
    """Texts of at least this length that `pattern` may match, the shortest and plainest first.

    Lookaheads are ignored, so each text has to be checked.

    Raises:
        Unsatisfiable: the pattern cannot be parsed.
        OverBudget: the text is too long.
    """
    tree, more = _parsed(pattern), 0
    while more < least and len(_text(tree, more, 0, budget)) < least:
        more += 1
    for turn, extra in product(range(9), range(4)):
        yield _text(tree, more + extra, turn, budget)


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning, of nested sets
            return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unsatisfiable(f"The pattern {pattern[:80]!r} cannot be read: {error}.") from error


def _ends(tree: Any, text: str, starts: set[int], budget: Budget) -> set[int]:
    """The positions where a match from one of `starts` can end."""
    for kind, value in tree:
        budget.spend(1 + len(starts))
        match str(kind), value:
            case "SUBPATTERN", (_, 0, 0, inner):
                starts = _ends(inner, text, starts, budget)
            case "BRANCH", (_, branches):
                starts = set[int]().union(*(_ends(each, text, starts, budget) for each in branches))
            case "MAX_REPEAT" | "MIN_REPEAT", repeat:
                starts = _repeat_ends(repeat, text, starts, budget)
            case "ASSERT" | "ASSERT_NOT" as name, (1, inner):
                ahead = {start for start in starts if _ends(inner, text, {start}, budget)}
                starts = ahead if name == "ASSERT" else starts - ahead
            case "AT", position if str(position) == "AT_END":
                # not before a final newline: other languages, and pydantic, have no such rule
                starts = starts & {len(text)}
            case "ANY" | "AT" | "IN" | "LITERAL" | "NOT_LITERAL", _:
                regex, _ = _single(kind, value, tree)
                hits = (regex.match(text, start) for start in starts)
                starts = {hit.end() for hit in hits if hit}
            case name, _:
                raise Unsatisfiable(f"fakebatch does not support {name} in a pattern.")
    return starts


def _repeat_ends(repeat: Any, text: str, starts: set[int], budget: Budget) -> set[int]:
    least, most, tree = repeat
    ends = set(starts) if least == 0 else set[int]()
    for times in range(1, most + 1):
        starts = _ends(tree, text, starts, budget)
        if times >= least:
            starts = starts - ends  # positions from before lead nowhere new
            ends |= starts
        if not starts:
            break
    return ends


def _text(tree: Any, more: int, turn: int, budget: Budget) -> str:
    """A text with `more` repetitions than required, and with other characters in each turn."""
    text = ""
    for kind, value in tree:
        match str(kind), value:
            case "SUBPATTERN", (*_, inner):
                text += _text(inner, more, turn, budget)
            case "BRANCH", (_, branches):
                text += _text(branches[turn % len(branches)], more, turn, budget)
            case "MAX_REPEAT" | "MIN_REPEAT", (least, most, inner):
                times = min(least + more, most)
                first = _text(inner, more, turn, budget)
                budget.spend(1 + len(first) * times // 16)
                if turn == 0 or not first:
                    text += first * times
                else:
                    text += "".join(_text(inner, more, turn + n, budget) for n in range(times))
            case "ANY" | "IN" | "LITERAL" | "NOT_LITERAL", _:
                _, chars = _single(kind, value, tree)
                text += chars[turn % len(chars)] if chars else ""
            case _:
                pass  # a position or a lookahead
    return text


def _single(kind: Any, value: Any, tree: Any) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The regex for one character or a position such as `^`, and the characters that it matches."""
    options: Any = tuple(value) if str(kind) == "IN" else ((kind, value),)
    return _compiled(kind, options, tree.state.flags)


@lru_cache(maxsize=1024)
def _compiled(kind: Any, options: Any, flags: int) -> tuple[re.Pattern[str], tuple[str, ...]]:
    tree = _parser.parse("")
    tree.append((kind, list(options)) if str(kind) == "IN" else options[0])
    regex = _compiler.compile(tree, flags)
    literals = [value for name, value in options if str(name) == "LITERAL"]
    literals += [value[0] for name, value in options if str(name) == "RANGE"]
    chars = [char for char in chain(_CHARS, map(chr, literals)) if regex.fullmatch(char)]
    classes: dict[object, str] = {}
    for char in chars:  # one of each class first, as for passwords that require all
        classes.setdefault((char.isdigit(), char.islower(), char.isupper()), char)
    return regex, tuple(dict.fromkeys([*classes.values(), *chars]))
