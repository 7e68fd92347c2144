"""Seeded sequences of operations, and what a client and a test observe of them.

Everything in a sequence is drawn from its seed and from the ids that the client has seen. So two
ways that show a client the same things lead to the same sequence.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import islice, zip_longest
from operator import attrgetter
from random import Random
from typing import Any

import openai

from fakebatch import FakeBatch
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.rules.scenario import FAMILIES
from support.client import chat, jsonl
from support.verbs import ROWS
from support.ways import WAYS

Observation = dict[str, Any]
MOST_ITEMS = 90
"""A page that repeats is an error at the hundredth call of a thread; a server has several."""
EVERY_ERROR = (Exception, FakeBatchError)

# --- what is observed


def _content(content: bytes) -> Any:
    if len(content) > 2_000:
        return f"{len(content)} bytes, {sha256(content).hexdigest()}"
    return content.decode("latin-1")


def _error(error: BaseException) -> Observation:
    """An error by its class, which has the same name on each stack, and the error behind it."""
    observed: Observation = {"error": type(error).__name__}
    if isinstance(error, openai.APIStatusError):
        if error.status_code == 501:  # what is refused, at a socket
            return _refusal(error.response.json()["error"]["message"])
        return observed | {"status": error.status_code, "body": _content(error.response.content)}
    if isinstance(error, FakeBatchError):
        return _refusal(str(error))
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        observed["cause"] = type(error.__cause__).__name__
    return observed


def _refusal(message: str) -> Observation:
    """What the emulator refuses: the first line of its message."""
    return {"refused": re.sub(r"\S+:\d+", "<place>", message.split("\n", maxsplit=1)[0])}


NOT_COMPARED = {
    *("date", "server", "connection", "content-length", "transfer-encoding"),
    "x-fakebatch-time",
}
"""Headers of the transfer, and that of a server alone."""


class Session:
    """A client, the ids it has seen, and the numbers that decide what it does."""

    def __init__(
        self, fake: FakeBatch, client: Any, seed: int, *, as_at_socket: bool = False
    ) -> None:
        self.fake, self.client, self.as_at_socket = fake, client, as_at_socket
        self.rng = Random(seed)  # noqa: S311  # the same sequence for each way
        self.runner = asyncio.Runner()
        self.is_async = isinstance(client, openai.AsyncOpenAI)
        self.ids: dict[str, list[str]] = {kind: [] for kind in ("file", "batch", "upload")}
        self.parts: dict[str, list[str]] = {}
        self.delivered: list[Any] = []
        self.saved: Any = None

    def wait(self, seconds: float) -> None:
        if self.is_async:
            self.runner.run(asyncio.sleep(seconds))
        else:
            time.sleep(seconds)

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a method of either kind of client returns."""
        answer = call(*args, **kwargs)
        return self.runner.run(_awaited(answer)) if self.is_async else answer

    def call(self, name: str, *args: Any, **kwargs: Any) -> Observation:
        """The response to one call as it was sent, or the error."""
        resource, _, method = name.rpartition(".")
        raw = attrgetter(f"{resource}.with_raw_response.{method}")(self.client)
        try:
            response = self.run(raw, *args, **kwargs)
        except EVERY_ERROR as error:
            return {"call": name, **_error(error)}
        content = response.content
        headers = {
            name: value for name, value in response.headers.items() if name not in NOT_COMPARED
        }
        if "json" in headers.get("content-type", "") and name != "files.content":
            self.learn(json.loads(content) if content else None)
        observed = {"call": name, "status": response.status_code, "headers": headers}
        return observed | {"body": _content(content)}

    def pages(self, name: str, **kwargs: Any) -> Observation:
        """The ids on all pages, by the SDK's own paging; some providers repeat a page for ever."""
        ids: list[str] = []

        async def on_loop() -> None:
            async for item in pages:
                ids.append(item.id)
                if len(ids) == MOST_ITEMS:
                    break

        try:
            pages = attrgetter(name)(self.client)(**kwargs)
            if self.is_async:
                self.runner.run(on_loop())
            else:
                ids.extend(item.id for item in islice(pages, MOST_ITEMS))
        except EVERY_ERROR as error:
            return {"pages": name, "ids": ids, **_error(error)}
        return {"pages": name, "ids": ids}

    def streamed(self, file_id: str) -> Observation:
        """A download in blocks; what arrived before an error is observed too."""
        blocks: list[bytes] = []
        download = self.client.files.with_streaming_response.content(file_id)

        async def on_loop() -> None:
            async with download as response:
                async for block in response.iter_bytes(1_000):
                    blocks.append(block)  # noqa: PERF401  # kept if an error follows

        observed: Observation = {"streamed": file_id}
        try:
            if self.is_async:
                self.runner.run(on_loop())
            else:
                with download as response:
                    blocks.extend(response.iter_bytes(1_000))
        except EVERY_ERROR as error:
            observed |= _error(error)
        return observed | {"body": _content(b"".join(blocks))}

    def learn(self, wire: Any) -> None:
        """Keep the ids in a response."""
        for item in (wire.get("data") or ()) if isinstance(wire, dict) else ():
            self.learn(item)
        match wire:
            case {"object": "upload.part", "id": str(id_), "upload_id": upload_id}:
                self.parts.setdefault(upload_id, []).append(id_)
            case {"object": "file" | "batch" | "upload" as kind, "id": str(id_)}:
                linked = (wire.get(f"{which}_file_id") for which in ("output", "error"))
                files = [*filter(None, linked), (wire.get("file") or {}).get("id")]
                for of_kind, known in [(kind, id_), *(("file", file) for file in files)]:
                    # a URL (siliconflow) is quoted by newer SDKs alone
                    if known and "/" not in known and known not in self.ids[of_kind]:
                        self.ids[of_kind].append(known)

    def pick(self, kind: str) -> str:
        """The id of an object of a kind, mostly one of the latest; or one that never was."""
        known = self.ids[kind][-4:]
        return self.rng.choice(known if known and self.rng.random() < 0.95 else [f"{kind}-none"])


async def _awaited(answer: Any) -> Any:
    return await answer


# --- what is done

Operation = Callable[[Session, Random], Any]

SPANS = [0.5, 5, 30, 60, 600, 3_600, 20_000, 90_000]
TEXTS = ["hi", "unlucky", "é, \u2028 and \U0001f600", "x" * 3_000, "x" * 40_000]


def content(rng: Random) -> bytes:
    """An input file: mostly good; some are longer than what is read at once."""
    count = rng.randint(1, 6)
    models = ["gpt-4o-mini", "m"]
    lines = [
        chat("abcdef"[number], rng.choice(TEXTS), model=rng.choice(models))
        for number in range(count)
    ]
    faults = [b"{", b"\xff\n", b"\n\n", b"[]\n", jsonl(lines[:1]), jsonl([{"custom_id": "z"}])]
    return jsonl(lines) + (rng.choice(faults) if rng.random() < 0.2 else b"")


def upload(it: Session, rng: Random) -> Any:
    purpose = rng.choice(["batch", "batch", "batch", "user_data", "none"])
    filename = rng.choice(["in.jsonl", 'a "b" é.jsonl', "in.txt"])
    expiry = {"expires_after": {"anchor": "created_at", "seconds": rng.choice([3_600, 60])}}
    extra = {"extra_body": expiry} if rng.random() < 0.2 else {}
    return it.call("files.create", file=(filename, content(rng)), purpose=purpose, **extra)


def upload_chunked(it: Session, rng: Random) -> Any:
    whole = content(rng)
    about = {"filename": "in.jsonl", "mime_type": "application/jsonl", "purpose": "batch"}
    sizes = {"bytes": len(whole), "part_size": rng.choice([1_000, 30_000, 100_000])}
    try:
        done = it.run(it.client.uploads.upload_file_chunked, file=whole, **about, **sizes)
    except EVERY_ERROR as error:
        return {"chunked": len(whole), **_error(error)}
    it.learn(json.loads(done.model_dump_json()))
    return {"chunked": done.file.id}


def upload_begun(it: Session, rng: Random) -> Any:
    about = {"filename": "in.jsonl", "mime_type": "application/jsonl", "purpose": "batch"}
    return it.call("uploads.create", bytes=rng.choice([3, 100_000]), **about)


def upload_part(it: Session, rng: Random) -> Any:
    begun = None if it.ids["upload"] else upload_begun(it, rng)
    data = rng.choice([b"abc", b"x" * 50_000, b"y" * 100_000])
    return [begun, it.call("uploads.parts.create", it.pick("upload"), data=data)]


def upload_completed(it: Session, rng: Random) -> Any:
    id_ = it.pick("upload")
    parts = it.parts.get(id_, [])
    return it.call("uploads.complete", id_, part_ids=rng.sample(parts, rng.randint(0, len(parts))))


def create(it: Session, rng: Random) -> Any:
    params: dict[str, Any] = {
        "endpoint": rng.choice(["/v1/chat/completions"] * 8 + ["/v1/embeddings", "/v1/none"]),
        "completion_window": rng.choice([it.fake.dialect.window.usual] * 9 + ["1h"]),
    }
    if rng.random() < 0.3:
        params["metadata"] = {"job": rng.choice(["a", "b"])}
    return it.call("batches.create", input_file_id=it.pick("file"), **params)


def submit(it: Session, rng: Random) -> Any:
    return [
        it.call("files.create", file=("a.jsonl", content(rng)), purpose="batch"),
        create(it, rng),
    ]


def poll(it: Session, rng: Random) -> Any:
    id_, every = it.pick("batch"), rng.choice(SPANS[2:])
    polls = []
    for _ in range(4):
        it.wait(every)
        polls.append(it.call("batches.retrieve", id_))
    return polls


def a_page(it: Session, rng: Random) -> Any:
    kind = rng.choice(["batch", "file"])
    query: dict[str, Any] = {"limit": rng.choice([1, 2, 50, 0])}
    if rng.random() < 0.5:
        query["after"] = it.pick(kind)
    if kind == "file":
        query["extra_query"] = {"order": rng.choice(["asc", "desc"])}
    return it.call({"batch": "batches.list", "file": "files.list"}[kind], **query)


def ask(it: Session, rng: Random) -> Any:
    text = rng.choice(TEXTS[:4])
    if rng.random() < 0.5:
        return it.call("embeddings.create", model="m", input=text, encoding_format="float")
    messages = [{"role": "user", "content": text}]
    return it.call("chat.completions.create", model="gpt-4o-mini", messages=messages)


FAULTS = [
    *("timeout()", "timeout(applied=True)", "reset()", "reset(applied=True)", "disconnect()"),
    *("connect_error('refused')", "connect_error('timeout')", "truncate(0.5)"),
    *("truncate(0.3, framing='chunked')", "truncate(0, framing='silent')", "fail(500)"),
    *("fail(429, retry_after='2s')", "fail(503, retry_after='3s', http_date=True)"),
    *("fail(409, applied=True)", "fail(500, headers={'x-should-retry': 'false'})"),
    *("slow(first_byte='5s', gap=1, pieces=3)", "slow(first_byte='700s')", "slow(gap='11m')"),
    *("reply('<html>')", "reply('')", "reply({'id': 'x'})", "headers({'x-mine': 'a'})"),
]
OPERATIONS_HIT = [
    *("*", "files.*", "batches.*", "uploads.*", "files.content", "files.create", "batches.create"),
    *("batches.retrieve", "batches.list", "files.list", "uploads.parts.create"),
]


def a_fault(it: Session, rng: Random) -> Any:
    which = ["nth=1", "nth=2", "times=1", "times=2", "times=4", "chance=0.3"]
    which += ["nth=1, through_retries=True", "between=('1h', None)"]
    selector = f"on_call({rng.choice(OPERATIONS_HIT)!r}, {rng.choice(which)})"
    return a_rule(it, f"{selector}.{rng.choice(FAULTS)}")


# SDKs disagree whether to try again after a `Retry-After` of over a minute
VERBS = [row.call.replace("per='1h'", "per='1m'") for row in ROWS]


def a_verb(it: Session, rng: Random) -> Any:
    return a_rule(it, rng.choice(VERBS))


NOT_AT_SOCKET = re.compile(r"timeout|slow\(|connect_error|deliver\(")
"""Rules that take real time at a socket, or time of a thread that lives in virtual time elsewhere;
and connections that cannot be refused, as they exist."""


def a_rule(it: Session, rule: str) -> Any:
    """A rule as a test writes it."""
    if it.as_at_socket and NOT_AT_SOCKET.search(rule):
        return {"left out": rule}
    names = {family: getattr(it.fake, family) for family in FAMILIES}
    try:
        eval(rule, {**names, "math": math})  # noqa: S307  # of this project
    except UsageError as error:  # it contradicts another
        return {"rule": rule, **_error(error)}
    return {"rule": rule}


def place(it: Session, rng: Random) -> Any:
    status: Any = rng.choice(["validating", "in_progress", "completed", "expired", "cancelled"])
    try:
        batch = it.fake.batches.add(
            [chat("a"), chat("b", "unlucky")], status=status, created=rng.choice(["-5h", "-30h"])
        )
    except EVERY_ERROR as error:
        return {"placed": status, **_error(error)}
    it.ids["batch"].append(batch.id)
    return {"placed": status, "id": batch.id}


def deliver(it: Session, rng: Random) -> Any:
    answer = rng.choice([200, 500])
    if it.as_at_socket:  # observers of a server call from other threads
        return {"left out": "deliver_to"}

    def handler(body: bytes, headers: Any) -> int:
        it.delivered.append([it.fake.clock.elapsed, body.decode(), sorted(headers.items())])
        return answer if len(it.delivered) % 3 else 200

    it.fake.webhooks.deliver_to(handler)
    return {"delivered": len(it.delivered)}


def due(it: Session, _: Random) -> Any:
    it.wait(1)  # what is delivered by itself has come by then
    return {"due": [[each.body.decode(), dict(each.headers)] for each in it.fake.webhooks.due()]}


def go_back(it: Session, _: Random) -> Any:
    """To what was saved before; or save it."""
    it.wait(1)
    if it.saved is None:
        it.saved = it.fake.snapshot()
    else:
        it.fake.restore(it.saved)
        it.saved = None
    return {"saved": it.saved is not None}


def advance(it: Session, rng: Random) -> Any:
    it.fake.clock.advance(rng.choice(SPANS))


def wait(it: Session, rng: Random) -> Any:
    it.wait(rng.choice(SPANS))


def _of(name: str, kind: str) -> Operation:
    return lambda it, _: it.call(name, it.pick(kind))


OPERATIONS: list[tuple[int, Operation]] = [
    (3, submit),
    (2, upload),
    (2, create),
    (4, poll),
    (3, _of("files.content", "file")),
    (3, lambda it, _: it.streamed(it.pick("file"))),
    (1, upload_chunked),
    (1, upload_begun),
    (2, upload_part),
    (1, upload_completed),
    (1, _of("uploads.cancel", "upload")),
    (2, _of("batches.retrieve", "batch")),
    (2, _of("batches.cancel", "batch")),
    (1, _of("files.retrieve", "file")),
    (1, _of("files.delete", "file")),
    (2, a_page),
    (1, lambda it, rng: it.pages("batches.list", limit=rng.choice([1, 3]))),
    (1, lambda it, rng: it.pages("files.list", limit=rng.choice([1, 3]))),
    (1, ask),
    (1, lambda it, rng: it.call("models.retrieve", rng.choice(["gpt-4o-mini", "é/x"]))),
    (3, a_fault),
    (1, a_verb),
    (1, place),
    (1, deliver),
    (1, due),
    (1, go_back),
    (1, advance),
    (2, wait),
]
"""What a client or a test may do next, with its weight."""

DIALECTS = ["openai"] * 6 + ["azure", "groq", "dashscope", "moonshot", "zhipu", "siliconflow"]


def observations(seed: int, way: str, length: int = 25) -> list[Observation]:
    """What the client of one way observes in the sequence of a seed, and what the fake recorded."""
    rng = Random(f"of the whole {seed}")  # noqa: S311
    observed: list[Any] = []
    options: dict[str, Any] = {"dialect": rng.choice(DIALECTS), "max_idle": "9999h"}
    fake = FakeBatch(seed=seed, unused_rules="ignore", **options)
    by = WAYS[way]
    try:
        with by.connect(fake) as connect, fake:
            client = connect().with_options(timeout=rng.choice([600, 20]))
            it = Session(fake, client, seed, as_at_socket=by.as_at_socket)
            weights, operations = zip(*OPERATIONS, strict=True)
            for operation in (submit, *it.rng.choices(operations, weights, k=length)):
                entry = {"does": operation(it, it.rng), "elapsed": fake.clock.elapsed}
                observed.append(entry)
            it.wait(1)
            it.run(client.close)
            it.runner.close()
            recorded = {
                "journal": [repr(call) for call in fake.journal if call.status != 501],
                "sleeps": [repr(sleep) for sleep in fake.journal.sleeps],
                "files": {id_: _content(file.content) for id_, file in fake.files.items()},
                "batches": {id_: batch.status for id_, batch in fake.batches.items()},
                "delivered": it.delivered,
                # where a refusal is an answer, the timeline has it
                "timeline": "" if by.as_at_socket and _has_refusals(observed) else fake.timeline(),
            }
            observed.append(recorded)
    except EVERY_ERROR as error:
        observed.append(_error(error))
    return observed


def _has_refusals(observed: Any) -> bool:
    match observed:
        case dict():
            return "refused" in observed or any(map(_has_refusals, observed.values()))
        case list():
            return any(map(_has_refusals, observed))
        case _:
            return False


def difference(one: Any, other: Any, where: str = "") -> str | None:
    """The first place at which two observations differ, with both values; None: nowhere."""
    match one, other:
        case dict(), dict() if list(one) == list(other):
            pairs = [(f"{where}.{key}", one[key], other[key]) for key in one]
        case list(), list():
            pairs = [(f"{where}[{n}]", *both) for n, both in enumerate(zip_longest(one, other))]
        case _:
            return None if one == other else f"{where}: {one!r:.300}\n    not {other!r:.300}"
    return next(filter(None, (difference(a, b, place) for place, a, b in pairs)), None)
