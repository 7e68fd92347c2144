"""The state of a provider is a value: who goes back to it goes on as if nothing had been since."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakebatch.durations import SECOND
from fakebatch.inspection.journal import Called, Journal, Recorder
from fakebatch.rules.calls import CallRule, RateLimit
from fakebatch.rules.calls import Fail as FailCall
from fakebatch.rules.files import FileRule, NotFoundFor
from fakebatch.rules.lines import Fail, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.rules.webhooks import Deliver, WebhookRule
from fakebatch.service import State
from fakebatch.webhooks.webhooks import Webhooks
from fakebatch.wire.app import Handled
from fakebatch.wire.messages import Reply
from fakebatch.wire.operations import OPERATIONS
from support.by_hand import FORM, KEY, UNLUCKY, Act, ByHand, acts

SCENARIO = Scenario(
    on=(
        UNLUCKY,
        LineRule(fraction=0.5, times=1, fail=Fail(500)),
        LineRule(custom_id="r-1", times=2, fail=Fail(429)),
    ),
    on_file=(FileRule(nth=2, not_found_for=NotFoundFor("5s")),),
    on_call=(
        CallRule("files.content", nth=2, times=2, through_retries=True, fail=FailCall(503)),
        CallRule("chat.*", chance=0.5, fail=FailCall(500)),
        CallRule("chat.*", rate_limit=RateLimit(4, per="1h")),
    ),
    on_webhook=(WebhookRule(times=1, deliver=Deliver(lost=1)),),
    limits={"enqueued_tokens": 5, "creates_per_hour": 4, "uploads_per_minute": 3},
)


class Recorded(ByHand):
    """A service, and all that its client has heard and its journal has noted."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = self.app.service.state
        self.state.scenario = SCENARIO
        self.heard: list[Any] = []
        self.recorder = Recorder()
        self.journal = Journal(self.recorder, [operation.name for operation in OPERATIONS])
        self.webhooks = Webhooks(self.state, lambda: self.now * SECOND)
        self.app._observers = [self._note]
        self.pending = self._begin_upload()

    def _note(self, handled: Handled) -> None:
        name = handled.operation.name if handled.operation else "none"
        called = Called(name, handled.id, handled.reply.status)
        self.recorder.call(handled.at, called, changes=True)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = KEY
    ) -> Reply:
        reply = super().send(method, path, body, headers)
        self.heard.append(reply)
        return reply

    def upload(self, content: bytes) -> str:
        try:
            return super().upload(content)
        except KeyError:  # refused
            return ""

    def create(self, file: str, endpoint: str = "/v1/chat/completions") -> str:
        try:
            return super().create(file, endpoint)
        except KeyError:
            return ""

    def does(self, done: list[Act]) -> list[Any]:
        """What is heard of these acts, of calls of every other kind, and of webhooks."""
        files, batches, began = [*self.files], [*self.batches], self.now
        self.heard = []
        for act in done:
            act(self)
            self.heard += self.webhooks.due()
        self.heard.append(self.everything())
        self._complete_upload(*self.pending)
        self._complete_upload(*self._begin_upload())
        for number in range(3):
            message = {"role": "user", "content": f"unlucky {number}"}
            body = {"model": "m", "messages": [message]}
            self.send("POST", "/chat/completions", json.dumps(body).encode())
        calls = [*self.journal.calls()]
        self.files, self.batches, self.now = files, batches, began
        return [self.heard, calls, {**self.state.hits}, self.state.uploaded]

    def _begin_upload(self) -> tuple[str, str]:
        params = {"purpose": "user_data", "filename": "f", "bytes": 2, "mime_type": "text/plain"}
        upload = self.send("POST", "/uploads", json.dumps(params).encode())
        path = f"/uploads/{json.loads(upload.body)['id']}"
        part = (
            b'--b\r\nContent-Disposition: form-data; name="data"; filename="d"\r\n\r\nhi\r\n--b--'
        )
        return path, json.loads(self.send("POST", f"{path}/parts", part, FORM).body)["id"]

    def _complete_upload(self, path: str, part: str) -> None:
        self.send("POST", f"{path}/complete", json.dumps({"part_ids": [part]}).encode())


WAYS: dict[str, Callable[[State], State]] = {
    "copied": lambda state: state,
    "pickled": lambda state: pickle.loads(pickle.dumps(state)),  # noqa: S301  # our own
}


@given(acts, acts, acts, st.sampled_from([*WAYS]))
def test_what_follows_a_snapshot_follows_it_again(
    before: list[Act], since: list[Act], after: list[Act], way: str
) -> None:
    """Replies with their headers, ids, draws, journal and webhooks, byte for byte."""
    run = Recorded()
    for act in before:
        act(run)
    snapshot, noted = run.state.copy(), run.recorder.snapshot()
    expected = run.does(after)

    run.state.restore(WAYS[way](snapshot))
    run.recorder.restore(noted)
    run.state.scenario = Scenario()
    run.does(since)
    run.state.restore(WAYS[way](snapshot))
    run.recorder.restore(noted)

    assert run.does(after) == expected


@given(acts, acts)
def test_a_pickled_state_goes_on_elsewhere(before: list[Act], after: list[Act]) -> None:
    """At another service, which has been told nothing else."""
    run, other = Recorded(), Recorded()
    for act in before:
        act(run)
    other.state.restore(WAYS["pickled"](run.state))
    other.files, other.batches, other.now = [*run.files], [*run.batches], run.now

    assert run.does(after)[0] == other.does(after)[0]


@given(acts, acts)
def test_a_snapshot_is_no_part_of_what_goes_on(before: list[Act], after: list[Act]) -> None:
    """Nothing that is done later changes it."""
    run = Recorded()
    for act in before:
        act(run)
    snapshot = run.state.copy()
    was = pickle.dumps(snapshot)
    run.does(after)

    assert pickle.dumps(snapshot) == was
