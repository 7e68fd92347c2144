"""A service whose clock stands until it is moved, and what can be done to it, as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from hypothesis import strategies as st

from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.rules.batches import Schedule
from fakebatch.rules.lines import Fail, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service
from fakebatch.wire.app import App
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import route

CHAT = "/v1/chat/completions"
T0 = 1_787_150_474
VALIDATING, WORKING, FINALIZING = 10, 40, 10
CANCELLING = 606
MONTH = 30 * 86_400

KEY = {"authorization": "Bearer sk-test"}
FORM = {"content-type": "multipart/form-data; boundary=b", **KEY}
SCHEDULE = Schedule(validating=VALIDATING, in_progress=WORKING, finalizing=FINALIZING)
UNLUCKY = LineRule(contains="unlucky", fail=Fail(429))
"""Every request that says "unlucky" fails."""


def request(custom_id: str, content: Any = "hi", **changes: Any) -> dict[str, Any]:
    """One line of an input file, as an object."""
    body = {"model": "gpt-5-nano", "messages": [{"role": "user", "content": content}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body, **changes}


def jsonl(*lines: Any) -> bytes:
    """An input file."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class ByHand:
    """One emulated service."""

    def __init__(self, seed: bytes = b"0") -> None:
        self.now = T0
        service = Service(OPENAI, seed=seed)
        service.state.scenario = Scenario(schedule=SCHEDULE, on=(UNLUCKY,))
        self.app = App(service, clock=lambda: self.now * SECOND, api_keys=None)
        self.files: list[str] = []
        """Uploads in the order they came, deleted ones too."""
        self.batches: list[str] = []

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = KEY
    ) -> Reply:
        """One request, with its query in the path."""
        path, _, query = path.partition("?")
        request = Request(method, path, dict(parse_qsl(query)), headers, body)
        return self.app.handle(request, *route(method, path))

    def get(self, path: str) -> Any:
        """The JSON at a path; None if it is not there."""
        reply = self.send("GET", path)
        return json.loads(reply.body) if reply.status == 200 else None

    def upload(self, content: bytes) -> str:
        """Upload batch input: the id of the file."""
        body = (
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
            + content
            + b"\r\n--b--\r\n"
        )
        self.files.append(json.loads(self.send("POST", "/files", body, FORM).body)["id"])
        return self.files[-1]

    def create(self, file: str, endpoint: str = CHAT) -> str:
        """Create a batch: its id."""
        params = {"input_file_id": file, "endpoint": endpoint, "completion_window": "24h"}
        reply = self.send("POST", "/batches", json.dumps(params).encode())
        self.batches.append(json.loads(reply.body)["id"])
        return self.batches[-1]

    def content(self, file: str | None) -> bytes:
        """The bytes of a file, none if there is no such file."""
        reply = self.send("GET", f"/files/{file}/content")
        return reply.body if reply.status == 200 else b""

    def everything(self) -> dict[str, Any]:
        """All that a client can see, by id."""
        files = self.get("/files")["data"]
        batches = self.get("/batches?limit=100")["data"]
        contents = {file["id"]: self.content(file["id"]) for file in files}
        return {"contents": contents} | {each["id"]: each for each in (*files, *batches)}


@dataclass(frozen=True)
class Act:
    """Something a client does, told by what it is and a number."""

    do: Callable[[ByHand, int], object]
    number: int

    def __call__(self, to: ByHand) -> None:
        """Do it, where there is something to do it to."""
        self.do(to, self.number)

    def __repr__(self) -> str:
        return f"{self.do.__name__}({self.number})"


def upload(to: ByHand, number: int) -> None:
    """So many lines; of 5 on the last one is bad."""
    bad = [{"custom_id": "bad"}] if number >= 5 else []
    contents = ("hi", "unlucky")
    to.upload(jsonl(*(request(f"r-{n}", contents[n % 2]) for n in range(max(1, number))), *bad))


def create(to: ByHand, number: int) -> None:
    """A batch of one of the files, or of none."""
    to.create(to.files[number % len(to.files)] if to.files else "file-none")


def cancel(to: ByHand, number: int) -> None:
    """One of the batches."""
    if to.batches:
        to.send("POST", f"/batches/{to.batches[number % len(to.batches)]}/cancel")


def delete(to: ByHand, number: int) -> None:
    """One of the uploads."""
    if to.files:
        to.send("DELETE", f"/files/{to.files[number % len(to.files)]}")


WAITS = (1, 5, VALIDATING, WORKING, 60, CANCELLING, 86_400, MONTH)


def wait(to: ByHand, number: int) -> None:
    """One of a few spans, so that moments meet."""
    to.now += WAITS[number]


acts = st.lists(
    st.builds(
        Act,
        st.sampled_from([upload, create, create, cancel, delete, wait, wait]),
        st.integers(0, 7),
    ),
    max_size=15,
)
"""What a client may do, one thing after the other."""
