from __future__ import annotations

import json
from typing import Any

import httpx
from hypothesis import assume, given
from hypothesis import strategies as st

from fakebatch.batch.input_file import looks_like_jsonl, validate
from fakebatch.dialects import OPENAI
from support.by_hand import CHAT, ByHand, jsonl, request
from support.calling import parts

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

GOOD = jsonl(request("r-0"), request("r-1"))
mutations = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=4)).map(
    lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] :]
)


@given(mutations | st.lists(json_values, max_size=4).map(lambda values: jsonl(*values)))
def test_any_file_that_is_nearly_good_is_judged(content: bytes) -> None:
    """A file has words for each of its bad lines, or only requests that can be read."""
    looks_like_jsonl(content)
    judged = validate(content, CHAT, OPENAI, None)
    for entry in judged.errors:
        words = OPENAI.batch_errors[entry.code]
        words.message.format_map(entry.values)
        words.param and words.param.format_map(entry.values)
        assert entry.line is None or 1 <= entry.line <= content.count(b"\n") + 1
    if not judged.errors:
        assert all(judged.lines.request(index).body for index in range(len(judged.lines)))


keys = st.sampled_from(["custom_id", "method", "url", "body", "x"])
bodies = st.dictionaries(st.sampled_from(["messages", "model", "stream", "n"]), json_values)
line_like = st.dictionaries(keys, json_values) | bodies.map(
    lambda body: request("r-0", body={"model": "gpt-5-nano", **body})
)


@given(st.lists(line_like, max_size=3))
def test_any_json_in_any_place_of_a_line_is_judged(lines: list[Any]) -> None:
    """A line may hold any JSON in any place."""
    judged = validate(jsonl(*lines), CHAT, OPENAI, None)
    assert len(judged.lines) == len(lines)


ASKED = {
    "/v1/chat/completions": ["messages", "n", "max_tokens", "tools", "response_format", "stop"],
    "/v1/responses": ["input", "prompt", "text", "tools", "temperature", "metadata", "reasoning"],
    "/v1/embeddings": ["input", "dimensions", "encoding_format"],
    "/v1/completions": ["prompt", "n", "echo", "max_tokens"],
    "/v1/moderations": ["input"],
}

asked_for = st.sampled_from(list(ASKED)).flatmap(
    lambda endpoint: st.tuples(
        st.just(endpoint), st.dictionaries(st.sampled_from(ASKED[endpoint]), json_values)
    )
)


@given(asked_for)
def test_any_request_that_validates_is_answered(asked: tuple[str, dict[str, Any]]) -> None:
    """A batch that validates runs to its end, whatever its bodies ask for, and writes JSON."""
    endpoint, body = asked
    to = ByHand()
    line = request("r-0", url=endpoint, body={"model": "gpt-5-nano", **body})
    batch = to.create(to.upload(jsonl(line)), endpoint)
    to.now += 3_600
    seen = to.get(f"/batches/{batch}")
    assume(seen["status"] != "failed")
    assert seen["status"] == "completed"
    written = to.content(seen["output_file_id"]) + to.content(seen["error_file_id"])
    assert [json.loads(one)["custom_id"] for one in written.splitlines()] == ["r-0"]


fields = st.sampled_from(
    ["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"]
)
likely = st.sampled_from([CHAT, "24h", "file-1", {"anchor": "created_at", "seconds": 9}])


@given(st.dictionaries(fields, json_values | likely) | json_values)
def test_any_json_creates_a_batch_or_is_refused(asked: Any) -> None:
    """`batches.create` answers 200 or 400 whatever it is asked, in JSON."""
    reply = ByHand().send("POST", "/batches", json.dumps(asked).encode())
    assert reply.status in (200, 400)
    assert ("error" in json.loads(reply.body)) == (reply.status == 400)


# "%" is left out: whether "%22" was a quote no reader can know
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="%"), min_size=1)


@given(names, st.binary(), st.dictionaries(st.sampled_from(["purpose", "x"]), texts))
def test_what_is_sent_as_a_form_is_read_as_it_was(
    filename: str, content: bytes, said: dict[str, str]
) -> None:
    """Any name, any bytes, any fields survive the way through multipart."""
    sent = httpx.Request("POST", "http://x", data=said, files={"file": (filename, content)})
    read = parts(sent.read(), sent.headers["content-type"])
    assert (filename, content) == (read["file"].filename, read["file"].content)
    assert {name: part.content.decode() for name, part in read.items() if name != "file"} == said
