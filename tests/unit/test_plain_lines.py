from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import SCHEDULE, jsonl, plan, request

from fakebatch.batch import result_files
from fakebatch.batch.plan import Plan
from fakebatch.batch.result_files import Streamed, results
from fakebatch.scenario import Echoes, LineRule, Outcome, Says, Scenario, Which

NEVER = LineRule(Which(index=-1), Says("never"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

ASKED: dict[str, dict[str, Any]] = {
    "plain words": {},
    "several choices": {"n": 3},
    "a JSON object": {"response_format": {"type": "json_object"}},
    "a call": {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    },
    "tools that need not be used": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "a conversation": {
        "messages": [
            {"role": "system", "content": "be nice"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None},
        ]
    },
    "nobody's words": {"messages": [{"role": "user"}]},
}


def both(content: bytes, otherwise: Outcome) -> tuple[Plan, Plan]:
    """The same batch twice; a rule that never matches keeps the second from the fast way."""
    made = plan(content, scenario=Scenario(SCHEDULE, otherwise=otherwise))
    return made, plan(content, scenario=Scenario(SCHEDULE, (NEVER,), otherwise))


@pytest.mark.parametrize("otherwise", [Echoes(), Says("100 %s\n")], ids=["echo", "a text"])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_the_fast_way_writes_what_the_general_way_writes(
    asked: dict[str, Any], otherwise: Outcome
) -> None:
    """Byte for byte, and for the same charge."""
    lines = [request(f"r-{number}") for number in range(3)]
    for line in lines[1:]:
        line["body"] |= asked
    fast, general = both(jsonl(*lines), otherwise)
    assert results(fast) == results(general)


@given(custom_id=TEXTS.filter(bool), text=TEXTS)
def test_whatever_is_said_is_written_alike(custom_id: str, text: str) -> None:
    """Any id and any text, as JSON writes them."""
    line = request(custom_id)
    line["body"]["messages"][0]["content"] = text
    fast, general = both(jsonl(line), Echoes())
    assert results(fast) == results(general)
    assert json.loads(results(fast).output)["custom_id"] == custom_id


def test_a_file_too_long_to_hold_is_written_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says the same as one that is held, each time, and costs the same."""
    held = results(plan())
    monkeypatch.setattr(result_files, "HELD", 100)
    streamed = results(plan())

    assert isinstance(streamed.succeeded, Streamed)
    assert (streamed.output, streamed.usage) == (held.output, held.usage)
    assert b"".join(streamed.succeeded) == b"".join(streamed.succeeded) == held.output
    assert len(streamed.succeeded) == len(held.output)
