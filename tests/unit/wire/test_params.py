from __future__ import annotations

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.wire import params
from fakebatch.wire.messages import Request
from support.refusals import Words, bad_value, missing, said, too_high, too_low, wrong_type

LIMITS = OPENAI.limits


def post(body: bytes, content_type: str = "application/json") -> Request:
    return Request("POST", "/batches", {}, {"content-type": content_type}, body)


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a form": b"input_file_id=file-1",
    "an array": b"[]",
    "a text": b'"{}"',
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5_000 + b"}",
    "nested too deep": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "invalid UTF-8": b'{"a": "\xff"}',
    "a lone surrogate": rb'{"a": "\ud800"}',
    "nested without end": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """A call takes one JSON object and nothing else."""
    status, message, param, code = said(lambda: params.json_object(post(body)))
    assert (status, param, code) == (400, None, None)
    assert message.startswith("We could not parse the JSON body of your request.")


def test_a_json_object_is_read() -> None:
    """Blanks around and any key are fine."""
    assert params.json_object(post(b' {"a": [1]}\r\n')) == {"a": [1]}


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "Application/JSON; charset=utf-8"]
)
def test_json_may_come_without_its_type(content_type: str) -> None:
    """The type of the body is JSON, in any case and with any charset, or is left out."""
    assert params.json_object(post(b"{}", content_type)) == {}


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=b", "text/plain"])
def test_a_body_of_another_type_is_refused(content_type: str) -> None:
    """The type is checked before the body is read (openai-openapi#502, oumi#1465)."""
    media_type = content_type.partition(";")[0]
    message = (
        f"Unsupported content type: '{media_type}'. This API method only accepts "
        "'application/json' requests, but you specified the header 'Content-Type: "
        f"{media_type}'. Please try again with a supported content type."
    )
    refusal = said(lambda: params.json_object(post(b"{}", content_type)))
    assert refusal == (400, message, None, "unsupported_content_type")


COUNTS = {
    "none: the default": (None, 20),
    "zero": ("0", 0),
    "one": ("1", 1),
    "the most there may be": ("100", 100),
    "zeros in front": ("007", 7),
}


@pytest.mark.parametrize(("value", "expected"), COUNTS.values(), ids=COUNTS)
def test_a_limit_is_a_whole_number(value: str | None, expected: int) -> None:
    """A limit is between 0 and the most there may be; none is the default."""
    assert expected == params.count(value, "limit", default=20, most=100)


NO_INTEGER = wrong_type("limit", "an integer", "a string")

BAD_COUNTS: dict[str, tuple[str, Words]] = {
    "one too many": ("101", too_high("limit", 100, 101)),
    "less than nothing": ("-5", too_low("limit", 0, -5)),
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
    "dots, as the Go SDK writes them": (
        {"expires_after.anchor": "created_at", "expires_after.seconds": "3600"},
        3_600,
    ),
    "JSON in one field": ({"expires_after": '{"anchor":"created_at","seconds":3600}'}, 3_600),
    "null in one field": ({"expires_after": "null"}, None),
}


@pytest.mark.parametrize(("form", "expected"), FORMS.values(), ids=FORMS)
def test_a_form_says_an_expiry_in_two_fields(form: dict[str, str], expected: int | None) -> None:
    """`expires_after` comes in brackets, as the SDK writes it, or in another form in use."""
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
    "a number alone": (
        {"expires_after": "3600"},
        wrong_type("expires_after", "an object", "an integer"),
    ),
    "a word alone": (
        {"expires_after": "soon"},
        wrong_type("expires_after", "an object", "a string"),
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
