"""Which requests a fault hits, and what becomes of them: another reply, or a script of steps.

All that is counted stands in one value, `CallHits`, which can be copied and pickled. Rules are
known by their place in the scenario.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import takewhile
from threading import RLock
from typing import Any, NamedTuple

from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.scenario import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Relabels,
    Slows,
    Throttles,
)
from fakebatch.wire.errors import failure
from fakebatch.wire.messages import (
    Broken,
    Framing,
    Pause,
    Reply,
    Request,
    Script,
    Step,
    json_reply,
)

KEPT = 1_000
"""How many hits are remembered."""

_OPEN = 64  # calls of one operation on one object that may be between two attempts at once


class Hit(NamedTuple):
    """One request that a fault hit."""

    number: int
    """Hits are counted from 1."""
    place: int
    """Of the fault among those of the scenario."""
    fault: CallFault
    operation: str
    id: str
    """Of the file or batch the request named; empty where it names none."""
    at: int
    """The wall clock, in microseconds."""
    attempt: int
    """0, or which retry of the SDK it was."""
    absorbed: bool = False
    """A later attempt of the same call succeeded: the fault cost a retry and no more."""


@dataclass(eq=False, slots=True)
class RuleCount:
    """What one fault has met so far."""

    met: int = 0
    spent: int = 0
    hits: int = 0
    let_through: deque[int] = field(default_factory=deque[int])
    """When a limit let requests through, as far back as it looks."""

    def due(self, place: int, rule: CallFault, now: int, ids: Mint) -> bool:
        """Whether the request that is met now is one to hit."""
        if isinstance(rule.outcome, Throttles):
            return self._beyond(rule.outcome, now)
        which = rule.which
        self.met += 1
        due = (
            self.met >= which.nth
            and (which.times is None or self.spent < which.times)
            and (which.chance is None or ids.share("call", place, self.met) < which.chance)
        )
        self.spent += due
        return due

    def _beyond(self, limit: Throttles, now: int) -> bool:
        while self.let_through and self.let_through[0] <= now - limit.per:
            self.let_through.popleft()
        if len(self.let_through) < limit.most:
            self.let_through.append(now)
            return False
        return True

    def copy(self) -> RuleCount:
        """The same, counting for itself."""
        return replace(self, let_through=self.let_through.copy())


CallKey = tuple[str, str, int]
"""Operation, id, and which attempt of the call is to come."""


@dataclass(eq=False, slots=True)
class CallHits:
    """All that faults of calls have counted and hit."""

    rules: tuple[CallFault, ...] = ()
    """Those that the counts are of, in the order of the scenario."""
    counts: list[RuleCount] = field(default_factory=list[RuleCount])
    hits: dict[int, Hit] = field(default_factory=dict[int, Hit])
    """The last thousand, by number."""
    number: int = 0
    """How many there were in all."""
    between_attempts: dict[CallKey, deque[tuple[Hit, ...]]] = field(
        default_factory=dict[CallKey, deque[tuple[Hit, ...]]]
    )
    """Calls whose next attempt may come, and what hit those before."""

    def copy(self) -> CallHits:
        """The same, counting for itself."""
        return CallHits(
            self.rules,
            [count.copy() for count in self.counts],
            self.hits.copy(),
            self.number,
            {key: hits.copy() for key, hits in self.between_attempts.items()},
        )


class Call(NamedTuple):
    """A request as faults see it."""

    operation: str
    id: str
    key: str
    attempt: int
    """0, or which retry of the SDK it is; other clients do not say."""


def call_of(operation: str, id_: str, request: Request) -> Call:
    """What a fault goes by in a request."""
    retries = request.headers.get("x-stainless-retry-count", "")
    attempt = int(retries) if retries.isdecimal() and len(retries) < 9 else 0
    return Call(operation, id_, request.key, attempt)


class Attempt(NamedTuple):
    """One request, what hit earlier attempts of its call, and what hits this one."""

    call: Call
    earlier: tuple[Hit, ...]
    hit: Hit | None
    outcome: CallOutcome | None

    @property
    def is_carried_out(self) -> bool:
        """Whether the operation happens, whatever the client gets to see of it."""
        return not isinstance(self.outcome, Answers | Breaks) or self.outcome.applied


class Faults:
    """Decides which requests a fault hits, and remembers them. Thread-safe.

    Args:
        ids: decides chances.
    """

    def __init__(self, ids: Mint) -> None:
        self.hits = CallHits()
        """All that was counted: copy it to keep it, set it to go back."""
        self._ids = ids
        self._lock = RLock()  # reentrant: a finalizer may call while its thread is in here

    @property
    def fired(self) -> tuple[Hit, ...]:
        """The requests that were hit, in order; the last thousand of them."""
        with self._lock:
            return tuple(self.hits.hits.values())

    def unused(self, rules: tuple[CallFault, ...]) -> tuple[CallFault, ...]:
        """Those of the rules that never hit a request, and had no chance to.

        A limit that was kept is not among them.
        """
        with self._lock:
            return tuple(
                rule
                for rule, count in zip(rules, self._counts(rules), strict=True)
                if not count.hits
                and not isinstance(rule.outcome, Throttles)
                and not (count.met and rule.which.chance)
            )

    def begin(self, call: Call, rules: tuple[CallFault, ...], now: int, elapsed: int) -> Attempt:
        """Count a request for all rules; the last of those that hit it decides.

        Args:
            call: what the request is for.
            rules: those of the scenario; their counts begin when they are first seen.
            now: microseconds since the epoch.
            elapsed: microseconds since the start.
        """
        with self._lock:
            waiting = self.hits.between_attempts.get(call[:2] + call[3:], ())
            earlier = waiting.pop() if waiting else ()
            winner: int | None = None
            counts = self._counts(rules)
            for place, (rule, count) in enumerate(zip(rules, counts, strict=True)):
                if rule.which.through_retries and call.attempt:
                    is_hit = any(hit.place == place for hit in earlier)
                else:
                    is_hit = rule.which(call.operation, call.key, elapsed) and count.due(
                        place, rule, now, self._ids
                    )
                winner = place if is_hit else winner
            if winner is None:
                return Attempt(call, earlier, None, None)
            counts[winner].hits += 1
            hit = self._remembered(winner, rules[winner], call, now)
            return Attempt(call, earlier, hit, _outcome(hit.fault, counts[winner], now))

    def end(self, attempt: Attempt, reply: Reply) -> None:
        """Note whether the call is over: then what hit its earlier attempts is absorbed."""
        call, earlier, hit, _ = attempt
        hits = earlier if hit is None else (*earlier, hit)
        if not hits:
            return
        with self._lock:
            if hit is None and reply.status < 400:
                for one in hits:
                    if one.number in self.hits.hits:
                        self.hits.hits[one.number] = one._replace(absorbed=True)
            else:
                following = (call.operation, call.id, call.attempt + 1)
                self.hits.between_attempts.setdefault(following, deque(maxlen=_OPEN)).append(hits)

    def _counts(self, rules: tuple[CallFault, ...]) -> list[RuleCount]:
        """One for each rule; rules that were there before keep theirs."""
        hits = self.hits
        if rules is not hits.rules:
            pairs = zip(hits.rules, rules, strict=False)
            kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            fresh = (RuleCount() for _ in rules[kept:])
            hits.rules, hits.counts = rules, [*hits.counts[:kept], *fresh]
        return hits.counts

    def _remembered(self, place: int, fault: CallFault, call: Call, now: int) -> Hit:
        hits = self.hits
        hits.number += 1
        hit = Hit(hits.number, place, fault, call.operation, call.id, now, call.attempt)
        hits.hits[hit.number] = hit
        if len(hits.hits) > KEPT:
            del hits.hits[next(iter(hits.hits))]
        return hit


def last_edge(rules: Sequence[CallFault]) -> int:
    """When the last rule that is bound to a time begins or ends, in microseconds from the start."""
    selected = (rule.which for rule in rules)
    edges = (which.since if which.until is None else which.until for which in selected)
    return max(edges, default=0)


def _outcome(rule: CallFault, count: RuleCount, now: int) -> CallOutcome:
    """What comes of a request that is hit now: beyond a limit, a 429."""
    limit = rule.outcome
    if not isinstance(limit, Throttles):
        return limit
    room_in = count.let_through[0] + limit.per - now
    retry_after = room_in if limit.retry_after is None else limit.retry_after
    return Answers(429, retry_after=retry_after, dated=limit.dated)


def altered(attempt: Attempt, reply: Reply, now: int, dialect: Dialect, request_id: str) -> Reply:
    """What a fault makes of the true reply to a request; `NO_REPLY` where it is not carried out."""
    match attempt.outcome:
        case Answers() as answer:
            return _reply(answer, attempt.call, now, dialect, request_id)
        case Breaks(how):
            return reply.scripted(Script(before=(Broken(how),)))
        case Cuts() as cut:
            return _cut(reply, cut)
        case Slows() as slow:
            return _slowed(reply, slow)
        case Relabels(headers):
            return reply._replace(headers={**reply.headers, **headers})
        case Throttles() | None:
            return reply


_FRAMINGS: dict[str, Framing] = {
    "content_length": "content-length",
    "chunked": "chunked",
    "silent": "close",
}


def _cut(reply: Reply, cut: Cuts) -> Reply:
    whole = reply.scripted(Script(framing=_FRAMINGS[cut.framing]))
    arrived = whole.body[: int(len(whole.body) * cut.fraction)]
    script = Script(body=(arrived, Broken("incomplete")), framing=_FRAMINGS[cut.framing])
    return whole._replace(script=script)


def _slowed(reply: Reply, slow: Slows) -> Reply:
    before = (Pause(slow.first_byte),) if slow.first_byte else ()
    whole = reply.scripted(Script(before))
    if not slow.gap:
        return whole
    size = -(-len(whole.body) // slow.pieces) or 1
    steps: list[Step] = []
    for start in range(0, len(whole.body), size):
        if start:
            steps.append(Pause(slow.gap))
        steps.append(whole.body[start : start + size])
    return whole._replace(script=Script(before, tuple(steps)))


def _reply(answer: Answers, call: Call, now: int, dialect: Dialect, request_id: str) -> Reply:
    status, body = answer.status, answer.body
    if body is None:
        reply = failure(
            dialect, status, request_id, operation=call.operation, id_=call.id, key=call.key
        )
    else:
        reply = _reply_of(status, body)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.retry_after is not None:
        wait = answer.retry_after
        # as a date a whole second, never earlier: who waits until then has waited long enough
        date = formatdate(math.ceil((now + wait) / SECOND), usegmt=True)
        seconds = f"{wait / SECOND:.6f}".rstrip("0").rstrip(".")
        headers = {"retry-after": date if answer.dated else seconds, **headers}
    return reply._replace(headers={**reply.headers, **headers})


def _reply_of(status: int, body: Mapping[str, Any] | str) -> Reply:
    if not isinstance(body, str):
        return json_reply(status, body)
    if not body:
        return Reply(status, {}, b"")
    kind = "text/html" if body.startswith("<") else "text/plain"
    return Reply(status, {"content-type": f"{kind}; charset=utf-8"}, body.encode())
