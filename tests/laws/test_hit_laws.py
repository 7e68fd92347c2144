"""Laws of hits: what the rules of lines have met follows from the batches that were created."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakebatch.inspection.checks import hits
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import Drop, Fail, LineRule
from fakebatch.rules.scenario import Scenario
from support.by_hand import ByHand, jsonl, request

selections = st.fixed_dictionaries(
    {},
    optional={
        "custom_id": st.sampled_from("abc"),
        "index": st.integers(0, 3),
        "contains": st.sampled_from(["x", "y"]),
        "times": st.integers(1, 3),
    },
)
rules = st.lists(
    st.builds(
        lambda selection, is_lost: LineRule(
            **selection, **({"drop": Drop()} if is_lost else {"fail": Fail(429)})
        ),
        selections,
        st.booleans(),
    ),
    max_size=4,
)
inputs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "xy"])), min_size=1, max_size=4
)
"""Lines by custom_id and text; with the same custom_id twice their batch fails."""
Input = list[tuple[str, str]]
waits = st.sampled_from([0, 5, 10, 30, 60, 90_000])


def expected(rule: LineRule, created: list[Input]) -> int:
    """The lines that a rule selects, counted one by one."""
    selection, met = replace(rule, times=None), 0
    earlier = dict.fromkeys("abc", 0)
    for lines in created:
        ids = [custom_id for custom_id, _ in lines]
        for index, (custom_id, text) in enumerate(lines):
            body = request(custom_id, text)["body"]
            line = RequestLine(index, custom_id, "/v1/chat/completions", body)
            is_in_time = rule.times is None or earlier[custom_id] < rule.times
            met += selection.matches(line) and is_in_time
        for custom_id in ids if len({*ids}) == len(ids) else []:
            earlier[custom_id] += 1
    return met


def counts(run: ByHand, on: list[LineRule]) -> list[int]:
    return [hits([run.app.service], ("on", index)) for index in range(len(on))]


@given(rules, st.lists(st.tuples(inputs, waits, st.booleans()), max_size=4), waits)
def test_lines_count_once_their_batch_is_created(
    on: list[LineRule], creations: list[tuple[Input, int, bool]], later: int
) -> None:
    """Those that match, whether the batch was validated, failed, was cancelled, or has ended."""
    run = ByHand()
    run.app.service.state.scenario = replace(run.app.service.state.scenario, on=tuple(on))
    created: list[Input] = []
    for lines, wait, is_cancelled in creations:
        batch = run.create(run.upload(jsonl(*(request(*line) for line in lines))))
        created.append(lines)
        if is_cancelled:
            run.send("POST", f"/batches/{batch}/cancel")
        assert counts(run, on) == [expected(rule, created) for rule in on]
        run.now += wait
    run.now += later
    assert counts(run, on) == [expected(rule, created) for rule in on]


@given(rules, inputs, inputs)
def test_a_snapshot_has_its_own_hits(on: list[LineRule], before: Input, after: Input) -> None:
    """Of batches and of direct calls; what came after it is as if it had not been."""
    run = ByHand()
    state = run.app.service.state
    state.scenario = Scenario(on=tuple(on))

    def do(lines: Input) -> None:
        run.create(run.upload(jsonl(*(request(*line) for line in lines))))
        for custom_id, text in lines:
            body = request(custom_id, text)["body"]
            run.send("POST", "/chat/completions", json.dumps(body).encode())

    do(before)
    snapshot, were = state.copy(), counts(run, on)
    do(after)
    state.restore(snapshot)
    assert counts(run, on) == were
