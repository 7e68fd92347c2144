from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from support.by_hand import (
    CANCELLING,
    FINALIZING,
    MONTH,
    VALIDATING,
    WAITS,
    WORKING,
    ByHand,
    jsonl,
    request,
)

LINES = 4
GOOD = jsonl(*(request(f"r-{number}") for number in range(LINES)))
BAD = jsonl(request("r-0"), {"custom_id": "bad"})
ENDED = VALIDATING + WORKING + FINALIZING


@dataclass
class File:
    """What the oracle knows of a file."""

    purpose: str
    created: int
    gone: int
    content: bytes | None = None
    """None: whatever the batch wrote."""


@dataclass
class Batch:
    """What the oracle knows of a batch."""

    created: int
    valid: bool
    file: str
    cancelled: int | None = None

    def status(self, now: int) -> str:
        """What a batch is at its age, by the schedule of these tests."""
        if self.cancelled is not None:
            return "cancelling" if now < self.cancelled + CANCELLING else "cancelled"
        age = now - self.created
        if age < VALIDATING:
            return "validating"
        if not self.valid:
            return "failed"
        if age < VALIDATING + WORKING:
            return "in_progress"
        return "finalizing" if age < ENDED else "completed"

    @property
    def end(self) -> int:
        """When it ends, if nothing comes between."""
        return self.created + ENDED if self.cancelled is None else self.cancelled + CANCELLING

    def counts(self, now: int) -> dict[str, int]:
        """How many lines are done."""
        stopped = now if self.cancelled is None else min(now, self.cancelled)
        age = stopped - self.created - VALIDATING
        if age < 0 or not self.valid:
            return {"total": 0, "completed": 0, "failed": 0}
        return {"total": LINES, "completed": LINES * min(age, WORKING) // WORKING, "failed": 0}


class Client(RuleBasedStateMachine):
    """A client does what it likes; two dictionaries know what it must see."""

    uploads: Bundle[str] = Bundle("uploads")
    created: Bundle[str] = Bundle("created")

    def __init__(self) -> None:
        super().__init__()
        self.to = ByHand()
        self.files: dict[str, File] = {}
        self.batches: dict[str, Batch] = {}

    def here(self) -> dict[str, File]:
        """The files that are there now."""
        now = self.to.now
        return {id_: file for id_, file in self.files.items() if file.created <= now < file.gone}

    def keep(self, content: bytes) -> str:
        """Upload it and know of it."""
        id_ = self.to.upload(content)
        self.files[id_] = File("batch", self.to.now, self.to.now + MONTH, content)
        return id_

    @initialize(target=uploads)
    def begin(self) -> str:
        """There is something good from the beginning."""
        return self.keep(GOOD)

    @rule(target=uploads, content=st.sampled_from([GOOD, GOOD, BAD]))
    def upload(self, content: bytes) -> str:
        """Upload batch input, good or bad."""
        return self.keep(content)

    @rule(target=created, file=uploads)
    def create(self, file: str) -> str:
        """Create a batch; its file may be gone."""
        id_ = self.to.create(file)
        valid = file in self.here() and self.files[file].content == GOOD
        self.batches[id_] = Batch(self.to.now, valid, file)
        return id_

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.to.now += seconds

    @rule(id_=created)
    def cancel(self, id_: str) -> None:
        """Cancel a batch, or be told that it has ended."""
        batch = self.batches[id_]
        ended = batch.status(self.to.now) in ("completed", "failed")
        reply = self.to.send("POST", f"/batches/{id_}/cancel")
        if ended:
            assert reply.status == 409
            return
        if batch.cancelled is None:
            batch.cancelled = self.to.now
        assert (reply.status, json.loads(reply.body)["status"]) == (200, batch.status(self.to.now))

    @rule(id_=uploads)
    def delete(self, id_: str) -> None:
        """Delete an upload; a batch that validates it will fail."""
        there = id_ in self.here()
        assert self.to.send("DELETE", f"/files/{id_}").status == (200 if there else 404)
        self.files[id_].gone = min(self.to.now, self.files[id_].gone)
        for batch in self.batches.values():
            if there and batch.file == id_ and batch.status(self.to.now) == "validating":
                batch.valid = False

    @rule(id_=uploads)
    def download(self, id_: str) -> None:
        """Download an upload."""
        expected = self.files[id_].content if id_ in self.here() else b""
        assert expected == self.to.content(id_)

    @rule(limit=st.integers(1, 5))
    def list_batches(self, limit: int) -> None:
        """Walk through the batches: each once, newest first."""
        seen = self.walk("/batches?", limit)
        assert [one["id"] for one in seen] == list(self.batches)[::-1]

    @rule(limit=st.integers(1, 5), order=st.sampled_from(["asc", "desc"]))
    def list_files(self, limit: int, order: str) -> None:
        """Walk through the files: each once, in order of time."""
        seen = self.walk(f"/files?order={order}&", limit)
        moments = [one["created_at"] for one in seen]
        assert moments == sorted(moments, reverse=order == "desc")
        expected = sorted((id_, file.purpose) for id_, file in self.here().items())
        assert expected == sorted((one["id"], one["purpose"]) for one in seen)

    def walk(self, path: str, limit: int) -> list[dict[str, Any]]:
        """All pages, one after the other."""
        seen: list[dict[str, Any]] = []
        more = True
        while more:
            after = f"&after={seen[-1]['id']}" if seen else ""
            page = self.to.get(f"{path}limit={limit}{after}")
            assert len(page["data"]) <= limit
            assert page["data"] or not seen
            assert not [one for one in page["data"] if one in seen]
            seen += page["data"]
            more = page["has_more"]
        return seen

    @invariant()
    def every_batch_is_what_it_must_be(self) -> None:
        """Status, counts and files follow from what was done and what time it is."""
        for id_, batch in self.batches.items():
            seen = self.to.get(f"/batches/{id_}")
            counts = batch.counts(self.to.now)
            ended = batch.status(self.to.now) in ("completed", "cancelled")
            left = {
                "output_file_id": ended and counts["completed"] > 0,
                "error_file_id": ended and counts["completed"] < counts["total"],
            }
            assert batch.status(self.to.now) == seen["status"]
            assert counts == seen["request_counts"]
            assert left == {key: seen[key] is not None for key in left}
            for file in (seen[key] for key in left if left[key]):
                self.files[file] = File("batch_output", batch.end, batch.end + MONTH)


Client.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestClient = Client.TestCase
