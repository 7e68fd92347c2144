from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.batch import output_file
from fakebatch.batch.batch import Batch
from fakebatch.batch.bulk import ResultLines, WriteLine, bulk_writer
from fakebatch.batch.output_file import Results, Streamed, results
from fakebatch.dialects import DIALECTS, OPENAI, Dialect, ErrorCode
from fakebatch.request_lines import RequestLine
from fakebatch.rules.batches import BatchRule, ResultFiles
from fakebatch.rules.lines import Duplicate, Fail, Hang, LineRule, Reply
from fakebatch.rules.scenario import ECHO, Scenario
from support.batches import OVERDUE, SCHEDULE, batch, jsonl, request, requests

TEXT = LineRule(reply=Reply("100 %s\n"))
every_answer = pytest.mark.parametrize("otherwise", [ECHO, TEXT], ids=["echo", "a text"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

BODIES: dict[str, dict[str, Any]] = {
    "plain words": {},
    "several choices": {"n": 3},
    "a JSON object": {"response_format": {"type": "json_object"}},
    "a call": {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    },
    "a call as before there were tools": {
        "functions": [{"name": "f"}],
        "function_call": {"name": "f"},
    },
    "log probabilities": {"logprobs": True, "top_logprobs": 2},
    "a service tier": {"service_tier": "flex"},
    "tools that need not be used": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "a conversation": {
        "messages": [
            {"role": "system", "content": "be nice"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None},
        ]
    },
    "nobody's words": {"messages": [{"role": "user"}]},
    "an empty text": {"messages": [{"role": "user", "content": ""}]},
    "only a system message": {"messages": [{"role": "system", "content": "be nice"}]},
    "a text that is its custom_id": {"messages": [{"role": "user", "content": "r-1"}]},
    "a text that ends as a later one does": {
        "messages": [
            {"role": "user", "content": "b" + "a" * 40},
            {"role": "assistant", "content": "a" * 40},
        ]
    },
    "a text that a key repeats": {"messages": [{"role": "user", "content": "user"}]},
}


def both(content: bytes, otherwise: LineRule = ECHO, **how: Any) -> tuple[Batch, Batch]:
    """The same batch twice; the second has no fast way. Bodies are not judged."""
    how.setdefault("dialect", UNJUDGED)
    schedule, rules = how.pop("schedule", SCHEDULE), how.pop("rules", ())
    scenario = Scenario(schedule=schedule, on=rules, otherwise=otherwise)
    fast, general = (batch(content, scenario=scenario, **how) for _ in range(2))
    without_bulk(general)
    return fast, general


def without_bulk(general: Batch) -> Results:
    """The results of a batch, written line by line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_file, "bulk_writer", lambda _: None)
        return results(general)


def asking(text: str, custom_id: str = "r-1", **body: Any) -> dict[str, Any]:
    """A request with this text."""
    line = request(custom_id)
    line["body"] |= {"messages": [{"role": "user", "content": text}], **body}
    return line


UNJUDGED = OPENAI.set(body_checks="none")

FORMS = {
    f"{'compact' if compact else 'spaced'}, {'raw' if raw else 'escaped'}": UNJUDGED.set(
        result_lines={"compact": compact, "raw": raw},
        shapes={"added": "x.id=request_id x.of=custom_id"},
    )
    for compact in (False, True)
    for raw in (False, True)
}
EVERY_FORM = FORMS | {
    f"as {name} writes them": replace(
        UNJUDGED, shapes=other.shapes, ids=other.ids, result_lines=other.result_lines
    )
    for name, other in DIALECTS.items()
}

PLAIN = json.dumps(asking("hello")).encode()

WAYS: dict[str, bytes] = {
    "as Python writes it": PLAIN,
    "without blanks": json.dumps(asking("hello"), separators=(",", ":")).encode(),
    "with a CR": PLAIN + b"\r",
    "with the keys in another order": json.dumps(dict(reversed(asking("hello").items()))).encode(),
    "with quotes, backslashes and line ends": json.dumps(asking('"\\\n')).encode(),
    "beyond ASCII, escaped": json.dumps(asking("\u00fc\U0001f600")).encode(),
    "beyond ASCII, escaped in capitals": PLAIN.replace(b"hello", rb"\u00FC"),
    "beyond ASCII, as it is": PLAIN.replace(b"hello", "\u00fc".encode()),
    "a custom_id beyond ASCII, as it is": PLAIN.replace(b"r-1", "\u00fc".encode()),
    "with an escape that nothing needs": PLAIN.replace(b"hello", rb"h\u0065llo \/"),
    "with a raw DEL": PLAIN.replace(b"hello", b"\x7f"),
    "with a text of parts": PLAIN.replace(
        b'"hello"', b'[{"type": "text", "text": "a"}, {"text": "b"}]'
    ),
    "with a text of one part": PLAIN.replace(b'"hello"', b'[{"text": "a"}]'),
    "with a custom_id said twice": PLAIN.replace(
        b'"custom_id"', b'"custom_id": "r-2", "custom_id"'
    ),
    "with a tail that comes again": json.dumps(asking("b" + "a" * 40, tail="a" * 40)).encode(),
    "with a demand for three choices": json.dumps(asking("hello", n=3)).encode(),
}


@pytest.mark.parametrize("line", WAYS.values(), ids=WAYS)
def test_however_a_line_is_written_its_result_is_the_same(line: bytes) -> None:
    """What a request says is read as JSON, and written as JSON."""
    fast, general = both(jsonl(request("r-0"), line))
    assert results(fast) == results(general)


UNLIKE: dict[str, dict[str, Any]] = {
    "a line that is left out": {
        "content": jsonl(request("r-0"), {"custom_id": "bad"}, asking("hello"), request("r-3")),
        "dialect": replace(OPENAI, skips_bad_lines=True),
    },
    "requests of several models": {
        "content": jsonl(*(asking(name, name, model=name) for name in ("m-1", "m-2", "m-1x"))),
        "dialect": replace(OPENAI, ignored_errors=frozenset({ErrorCode.OTHER_MODEL})),
    },
    "a model that takes the place of all": {"content": jsonl(request("r-0")), "model": "m-1"},
    "a custom_id that comes again": {
        "content": jsonl(asking("one"), asking("two")),
        "dialect": replace(OPENAI, ignored_errors=frozenset({ErrorCode.DUPLICATE_ID})),
    },
    **{
        f"result lines {name}": {
            "content": jsonl(asking("\u00fc\U0001f600 \u2028\x7f"), request("r-\u00e9")),
            "dialect": form,
        }
        for name, form in EVERY_FORM.items()
    },
    "a line whose body is bad": {
        "content": jsonl(request("r-0"), asking("hello", temperature=7), request("r-2")),
        "dialect": OPENAI,
    },
    "an empty custom_id, which the provider replaces": {
        "content": jsonl(asking("hello", ""), request("r-1")),
        "dialect": next(iter(FORMS.values())),
    },
    "a batch that expires": {"content": requests(10), "schedule": OVERDUE},
    "a batch that is cancelled": {"content": requests(10), "cancelled": 55},
}


@every_answer
@pytest.mark.parametrize("how", UNLIKE.values(), ids=UNLIKE)
def test_whichever_lines_have_results_each_has_its_own(
    how: dict[str, Any], otherwise: LineRule
) -> None:
    """What is noted is that of the same request, of whatever batch."""
    fast, general = both(otherwise=otherwise, **how)
    assert results(fast) == results(general)
    assert results(fast).output


OTHERS: dict[str, dict[str, Any]] = {
    "result lines with raw characters": {
        "on_batch": (BatchRule(result_files=ResultFiles(raw=True)),)
    },
    "result lines that end in CR and LF": {
        "on_batch": (BatchRule(result_files=ResultFiles(newline="crlf")),)
    },
}


@pytest.mark.parametrize("parts", OTHERS.values(), ids=OTHERS)
def test_other_batches_have_no_bulk(parts: dict[str, Any]) -> None:
    """Whose lines are written in another way."""
    assert bulk_writer(batch(scenario=Scenario(schedule=SCHEDULE, **parts))) is None


def of(endpoint: str, *, written: tuple[bytes, bytes] = (b"", b""), **body: Any) -> dict[str, Any]:
    """Parts of a batch of three requests for another endpoint, with bytes replaced in the file."""
    made = batch(
        jsonl(*(request(str(n), url=endpoint, body={"model": "m", **body}) for n in range(3)))
    )
    content = (made.content or b"").replace(*written) if written[0] else made.content
    return {"content": content, "params": replace(made.params, endpoint=endpoint)}


ENDPOINTS: dict[str, dict[str, Any]] = {
    "responses": of("/v1/responses", input="hi"),
    "responses to a conversation": of("/v1/responses", input=[{"role": "user", "content": "a"}]),
    "responses that repeat parameters": of(
        "/v1/responses",
        input="hi",
        instructions="be \u00fc%s",
        temperature=0.5,
        metadata={"a": "b"},
    ),
    "responses with a placeholder in a parameter": of(
        "/v1/responses", input="hi", instructions="\x012 9007199254740001"
    ),
    "responses with a placeholder as it is escaped": of(
        "/v1/responses", input="hi", instructions=r"\u00012"
    ),
    "responses with a number that overflows": of(
        "/v1/responses", input="hi", temperature=7, written=(b": 7", b": 1e999")
    ),
    "responses of a reasoning model": of("/v1/responses", input="hi", model="gpt-5-nano"),
    "responses with an effort": of("/v1/responses", input="hi", reasoning={"effort": "low"}),
    "responses of a service tier": of("/v1/responses", input="hi", service_tier="flex"),
    "responses with log probabilities": of(
        "/v1/responses", input="hi", include=["message.output_text.logprobs"], top_logprobs=2
    ),
    "responses in JSON": of("/v1/responses", input="hi", text={"format": {"type": "json_object"}}),
    "embeddings": of("/v1/embeddings", input="hi"),
    "embeddings of several inputs": of("/v1/embeddings", input=["a", "b", [1, 2]]),
    "embeddings of no input": of("/v1/embeddings", input=[]),
    "short embeddings": of("/v1/embeddings", input="hi", dimensions=2),
    "embeddings of odd length": of("/v1/embeddings", input="hi", dimensions=7),
    "embeddings in base64": of("/v1/embeddings", input="hi", encoding_format="base64"),
}


NOT_PLAIN = {
    "responses with a placeholder in a parameter",
    "responses with a placeholder as it is escaped",
    "responses with a number that overflows",
    "responses with log probabilities",
    "responses in JSON",
    "embeddings of odd length",
    "embeddings in base64",
}


def test_which_requests_are_plain() -> None:
    """Those that ask for a text or for vectors, and not for more."""
    plain = set[str]()
    for name, parts in ENDPOINTS.items():
        write = bulk_writer(replace(batch(dialect=UNJUDGED), **parts))
        assert write is not None
        if write(0, None, False) is not None:
            plain.add(name)
    assert plain == {*ENDPOINTS} - NOT_PLAIN


@pytest.mark.parametrize("form", EVERY_FORM.values(), ids=EVERY_FORM)
@pytest.mark.parametrize("parts", ENDPOINTS.values(), ids=ENDPOINTS)
def test_so_are_the_replies_of_other_endpoints(
    parts: dict[str, Any], form: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written, or first measured and written later, to the byte, in every form of result lines."""
    fast, general, streamed = (replace(batch(dialect=form), **parts) for _ in range(3))
    expected = without_bulk(general)
    assert results(fast) == expected

    monkeypatch.setattr(output_file, "MAX_CACHED", 100)
    content = results(streamed).output
    assert len(content) == len(expected.output)
    assert bytes(content) == expected.output
    assert results(streamed).usage == expected.usage


ALIASES = {
    "a trial run": ("dashscope", "/v1/chat/ds-test", {"messages": [{"role": "user"}]}),
    "another name of responses": ("azure", "/chat/responses", {"input": "hi"}),
}


@pytest.mark.parametrize(("dialect", "endpoint", "body"), ALIASES.values(), ids=ALIASES)
def test_so_are_those_of_other_names_of_an_endpoint(
    dialect: str, endpoint: str, body: dict[str, Any]
) -> None:
    """With the text of the provider, where it has its own."""
    parts = of(endpoint, **body)
    fast, general = (
        replace(batch(dialect=DIALECTS[dialect].set(body_checks="none")), **parts) for _ in range(2)
    )
    expected = without_bulk(general)
    write = bulk_writer(fast)
    assert write is not None
    assert write(0, None, False) is not None
    assert results(fast) == expected


@every_answer
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_fast_way_writes_what_the_general_way_writes(
    body: dict[str, Any], otherwise: LineRule
) -> None:
    """Byte for byte, and for the same charge."""
    lines = [request(f"r-{number}") for number in range(3)]
    for line in lines[1:]:
        line["body"] |= body
    fast, general = both(jsonl(*lines), otherwise)
    assert results(fast) == results(general)


RULES: dict[str, LineRule] = {
    "a failure": LineRule(index=3, fail=Fail(429)),
    "another answer": LineRule(index=3, reply=Reply("never")),
    "a result line that comes twice": LineRule(index=3, duplicate=Duplicate()),
    "a conflict": LineRule(index=3, duplicate=Duplicate(conflict="error")),
    "a line that hangs": LineRule(index=3, hang=Hang()),
}


@every_answer
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_beside_lines_that_rules_meet_the_others_are_plain(
    rule: LineRule, otherwise: LineRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is known which these are, each other line is written the fast way, and alike."""
    fast, general = both(requests(10), otherwise, rules=(rule,), schedule=OVERDUE)
    expected, plain, written = results(general), bulk_writer, list[int]()

    def noting(of: Batch) -> WriteLine | None:
        write = plain(of)
        if write is None:
            return None

        def noted(index: int, text: str | None, measured: bool) -> ResultLines | None:
            written.append(index)
            return write(index, text, measured)

        return noted

    monkeypatch.setattr(output_file, "bulk_writer", noting)
    finished = fast.outcomes.order[: fast.finished(fast.end.at)]

    assert results(fast) == expected
    assert {*written} == {*finished} - {3}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(custom_id=TEXTS, text=TEXTS, escaped=st.booleans())
def test_whatever_a_request_says_is_written_alike(
    form: Dialect, custom_id: str, text: str, *, escaped: bool
) -> None:
    """Any id and any text, in either way to write them in JSON, in each form of result lines."""
    line = json.dumps(asking(text, custom_id), ensure_ascii=escaped).encode()
    fast, general = both(jsonl(line), dialect=form)
    assert results(fast) == results(general)
    assert json.loads(bytes(results(fast).output))["custom_id"] == custom_id


@pytest.mark.parametrize(
    "files", [ResultFiles(), ResultFiles(bom=True, trailing=2)], ids=["usual", "ends of its own"]
)
def test_a_file_too_long_to_hold_is_written_while_it_is_read(
    files: ResultFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says the same as one that is held, each time, and costs the same."""
    scenario = Scenario(schedule=SCHEDULE, on_batch=(BatchRule(result_files=files),))
    held = results(batch(scenario=scenario))
    monkeypatch.setattr(output_file, "MAX_CACHED", 100)
    streamed = results(batch(scenario=scenario))

    assert isinstance(streamed.output, Streamed)
    assert (bytes(streamed.output), streamed.usage) == (held.output, held.usage)
    assert b"".join(streamed.output) == b"".join(streamed.output) == held.output
    assert len(streamed.output) == len(held.output)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_so_is_one_with_lines_that_rules_meet(
    rule: LineRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same error file, and a size of which lines that never ran are no part."""
    scenario = Scenario(schedule=OVERDUE, on=(rule,))
    held = results(batch(requests(10), scenario=scenario))
    monkeypatch.setattr(output_file, "MAX_CACHED", 100)
    streamed = results(batch(requests(10), scenario=scenario))

    assert isinstance(streamed.output, Streamed)
    assert replace(streamed, output=bytes(streamed.output)) == held
    assert len(streamed.output) == len(held.output)


@pytest.mark.parametrize(("share", "is_copied"), [(2, True), (3, False), (10, False)])
def test_lines_of_callables_are_not_copied(
    share: int, *, is_copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept, so a file of which they are a large part is made of them as it is read."""
    called: list[int | None] = []

    def answer(line: RequestLine) -> str:
        called.append(line.index)
        return f"unique {line.index}"

    rule = LineRule(where=lambda line: (line.index or 0) < share, reply=Reply(answer))
    scenario = Scenario(schedule=SCHEDULE, on=(rule,))
    held = results(batch(requests(10), scenario=scenario))
    monkeypatch.setattr(output_file, "MAX_LEFT", 100)
    kept = results(batch(requests(10), scenario=scenario))

    assert isinstance(held.output, bytes)
    assert isinstance(kept.output, Streamed) != is_copied
    assert bytes(kept.output) == bytes(kept.output) == held.output
    assert kept.usage == held.usage
    assert called == [*range(share)] * 2
