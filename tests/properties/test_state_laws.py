"""The state of a provider is a value: who goes back to it goes on as if nothing had been since."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

from by_hand import FORM, KEY, UNLUCKY, Act, ByHand, acts
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.durations import SECOND
from fakebatch.journal import Called, Journal
from fakebatch.scenario import Arrivals, Fails, FileRule, Keeping, LineRule, Scenario, Which
from fakebatch.scenario.files import WhichFiles
from fakebatch.service import State
from fakebatch.webhooks import Webhooks
from fakebatch.wire.app import Handled
from fakebatch.wire.exchange import Reply
from fakebatch.wire.operations import OPERATIONS

SCENARIO = Scenario(
    rules=(
        UNLUCKY,
        LineRule(Which(fraction=0.5), Fails(500, {"error": {}}, times=1)),
        LineRule(Which(custom_id="r-1"), Fails(429, {"error": {}}, times=2)),
    ),
    files=(FileRule(WhichFiles(nth=2, times=1), Keeping(hidden=5 * SECOND)),),
    limits={"enqueued_tokens": 5, "creates_per_hour": 4, "uploads_per_minute": 3},
    arrivals=Arrivals(lost=1),
)


class Recorded(ByHand):
    """A service, and all that its client has heard and its journal has noted."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = self.app.service.state
        self.state.scenario = SCENARIO
        self.heard: list[Any] = []
        self.journal = Journal([operation.name for operation in OPERATIONS])
        self.webhooks = Webhooks(self.state, lambda: self.now * SECOND)
        self.app._noted = self._note
        self.pending = self._begin_upload()

    def _note(self, handled: Handled) -> None:
        name = handled.operation.name if handled.operation else "none"
        called = Called(name, handled.id, handled.reply.status)
        self.journal.called(handled.at, called, changes=True)

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
            said = {"role": "user", "content": f"unlucky {number}"}
            question = {"model": "m", "messages": [said]}
            self.send("POST", "/chat/completions", json.dumps(question).encode())
        calls = [*self.journal.calls()]
        self.files, self.batches, self.now = files, batches, began
        return [self.heard, calls, {**self.state.hits}, self.state.uploaded]

    def _begin_upload(self) -> tuple[str, str]:
        announced = {
            "purpose": "user_data",
            "filename": "f",
            "bytes": 2,
            "mime_type": "text/plain",
        }
        upload = self.send("POST", "/uploads", json.dumps(announced).encode())
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
    snapshot, noted = run.app.service.snapshot(), run.journal.snapshot()
    expected = run.does(after)

    run.app.service.restore(WAYS[way](snapshot))
    run.journal.restore(noted)
    run.state.scenario = Scenario()
    run.does(since)
    run.app.service.restore(WAYS[way](snapshot))
    run.journal.restore(noted)

    assert run.does(after) == expected


@given(acts, acts)
def test_a_pickled_state_goes_on_elsewhere(before: list[Act], after: list[Act]) -> None:
    """At another service, which has been told nothing else."""
    run, other = Recorded(), Recorded()
    for act in before:
        act(run)
    other.app.service.restore(WAYS["pickled"](run.state))
    other.files, other.batches, other.now = [*run.files], [*run.batches], run.now

    assert run.does(after)[0] == other.does(after)[0]


@given(acts, acts)
def test_a_snapshot_is_no_part_of_what_goes_on(before: list[Act], after: list[Act]) -> None:
    """Nothing that is done later changes it."""
    run = Recorded()
    for act in before:
        act(run)
    snapshot = run.app.service.snapshot()
    was = pickle.dumps(snapshot)
    run.does(after)

    assert pickle.dumps(snapshot) == was
