from __future__ import annotations

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.wire import params
from support.refusals import Words, bad_value, missing, said, too_high, too_low, wrong_type

LIMITS = OPENAI.limits

BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a form": b"input_file_id=file-1",
    "an array": b"[]",
    "a text": b'"{}"',
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "invalid UTF-8": b'{"a": "\xff"}',
    "a lone surrogate": rb'{"a": "\ud800"}',
    "nested without end": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """A call takes one JSON object and nothing else."""
    status, message, param, code = said(lambda: params.json_object(body))
    assert (status, param, code) == (400, None, None)
    assert message.startswith("We could not parse the JSON body of your request.")


def test_a_json_object_is_read() -> None:
    """Blanks around and any key are fine."""
    assert params.json_object(b' {"a": [1]}\r\n') == {"a": [1]}


COUNTS = {
    "none: the default": (None, 20),
    "one": ("1", 1),
    "the most there may be": ("100", 100),
    "zeros in front": ("007", 7),
}


@pytest.mark.parametrize(("value", "expected"), COUNTS.values(), ids=COUNTS)
def test_a_limit_is_a_whole_number(value: str | None, expected: int) -> None:
    """A limit is between 1 and the most there may be; none is the default."""
    assert expected == params.count(value, "limit", default=20, most=100)


NO_INTEGER = wrong_type("limit", "an integer", "a string")

BAD_COUNTS: dict[str, tuple[str, Words]] = {
    "one too many": ("101", too_high("limit", 100, 101)),
    "none at all": ("0", too_low("limit", 1, 0)),
    "less than nothing": ("-5", too_low("limit", 1, -5)),
    "no number": ("many", NO_INTEGER),
    "an empty text": ("", NO_INTEGER),
    "a sign alone": ("-", NO_INTEGER),
    "a decimal": ("1.0", NO_INTEGER),
    "an exponent": ("1e2", NO_INTEGER),
    "a superscript": ("²", NO_INTEGER),
}


@pytest.mark.parametrize(("value", "words"), BAD_COUNTS.values(), ids=BAD_COUNTS)
def test_a_bad_limit_is_refused(value: str, words: Words) -> None:
    """What is no number, too low or too high is said in the provider's words."""
    assert words == said(lambda: params.count(value, "limit", default=20, most=100))


@pytest.mark.parametrize("value", ["--5", "9" * 5_000], ids=["two signs", "5,000 digits"])
def test_a_limit_no_int_can_be_made_of_is_refused(value: str) -> None:
    """Whatever stands in the query, a bad limit is refused, never a crash."""
    assert said(lambda: params.count(value, "limit", default=20, most=100))[0] == 400


ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"

FORMS: dict[str, tuple[dict[str, str], int | None]] = {
    "nothing said": ({"purpose": "batch"}, None),
    "both fields": ({ANCHOR: "created_at", SECONDS: "3600"}, 3_600),
}


@pytest.mark.parametrize(("form", "expected"), FORMS.values(), ids=FORMS)
def test_a_form_says_an_expiry_in_two_fields(form: dict[str, str], expected: int | None) -> None:
    """`expires_after` comes in brackets, as the SDK writes it."""
    assert expected == params.form_expiry(form, "expires_after", LIMITS)


BAD_FORMS: dict[str, tuple[dict[str, str], Words]] = {
    "no anchor": ({SECONDS: "3600"}, missing("expires_after.anchor")),
    "no seconds": ({ANCHOR: "created_at"}, missing("expires_after.seconds")),
    "empty seconds": ({ANCHOR: "created_at", SECONDS: ""}, missing("expires_after.seconds")),
    "another anchor": (
        {ANCHOR: "x", SECONDS: "3600"},
        bad_value("expires_after.anchor", "x", "'created_at'"),
    ),
    "too soon": (
        {ANCHOR: "created_at", SECONDS: "1"},
        too_low("expires_after.seconds", 3_600, 1),
    ),
    "no number": (
        {ANCHOR: "created_at", SECONDS: "soon"},
        wrong_type("expires_after.seconds", "an integer", "a string"),
    ),
}


@pytest.mark.parametrize(("form", "words"), BAD_FORMS.values(), ids=BAD_FORMS)
def test_a_bad_expiry_in_a_form_is_refused(form: dict[str, str], words: Words) -> None:
    """The fields of a form are refused as the same fields of a JSON body are."""
    assert words == said(lambda: params.form_expiry(form, "expires_after", LIMITS))


def test_an_expiry_of_any_length_is_refused() -> None:
    """A form may hold a number of any length: it is too high, never a crash."""
    form = {ANCHOR: "created_at", SECONDS: "9" * 5_000}
    assert said(lambda: params.form_expiry(form, "expires_after", LIMITS))[0] == 400


LISTS = {
    "one": (("a",), "'a'"),
    "two": (("a", "b"), "'a' and 'b'"),
    "three": (("a", "b", "c"), "'a', 'b', and 'c'"),
}


@pytest.mark.parametrize(("known", "listed"), LISTS.values(), ids=LISTS)
def test_known_values_are_listed_as_the_service_lists_them(
    known: tuple[str, ...], listed: str
) -> None:
    """Quoted, with commas, and a last comma before the `and` of three or more."""
    assert bad_value("x", "z", listed) == said(lambda: params.one_of("z", "x", known))
