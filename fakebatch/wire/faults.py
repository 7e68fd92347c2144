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
from fakebatch.durations import SECOND, microseconds
from fakebatch.ids import Mint
from fakebatch.rules.calls import (
    CallOutcome,
    CallRule,
    ConnectError,
    Disconnect,
    Fail,
    Headers,
    RateLimit,
    Reply,
    Reset,
    Slow,
    Timeout,
    Truncate,
)
from fakebatch.service import State
from fakebatch.wire import messages
from fakebatch.wire.errors import failure
from fakebatch.wire.messages import (
    Broken,
    BrokenKind,
    Framing,
    Pause,
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
    rule: CallRule
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

    def due(self, place: int, rule: CallRule, now: int, ids: Mint) -> bool:
        """Whether the request that is met now is one to hit."""
        if rule.rate_limit is not None:
            return self._exceeds(rule.rate_limit, now)
        self.met += 1
        if rule.times is None:
            in_turn = rule.nth in (None, self.met)
        else:
            in_turn = self.met >= (rule.nth or 1) and self.spent < rule.times
        due = in_turn and (rule.chance is None or ids.share("call", place, self.met) < rule.chance)
        self.spent += due
        return due

    def _exceeds(self, limit: RateLimit, now: int) -> bool:
        while self.let_through and self.let_through[0] <= now - microseconds(limit.per):
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

    rules: tuple[CallRule, ...] = ()
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
        match self.outcome:
            case Fail() | Reply() | Timeout() | Reset() | Disconnect():
                return self.outcome.applied
            case _:
                return not isinstance(self.outcome, ConnectError)


class Faults:
    """Decides which requests a fault hits, and remembers them. Thread-safe.

    Args:
        state: keeps what is counted, so that it is restored with all else; decides chances.
    """

    def __init__(self, state: State) -> None:
        state.calls = CallHits()
        self._state = state
        self._lock = RLock()  # reentrant: a finalizer may call while its thread is in here

    @property
    def hits(self) -> CallHits:
        """All that was counted."""
        hits = self._state.calls
        if not isinstance(hits, CallHits):
            raise TypeError(f"the state has {hits!r} in the place of what calls have hit")
        return hits

    @property
    def fired(self) -> tuple[Hit, ...]:
        """The requests that were hit, in order; the last thousand of them."""
        with self._lock:
            return tuple(self.hits.hits.values())

    def hits_of(self, index: int, rules: tuple[CallRule, ...]) -> int:
        """How many requests the rule at an index has hit."""
        with self._lock:
            counts = self._counts(rules)
            return counts[index].hits if index < len(counts) else 0

    def excused(self, rules: tuple[CallRule, ...]) -> set[int]:
        """The indices of rules that may have hit nothing: a limit that was kept, and bad luck."""
        with self._lock:
            pairs = enumerate(zip(rules, self._counts(rules), strict=True))
            return {
                index
                for index, (rule, count) in pairs
                if rule.rate_limit is not None or (count.met and rule.chance)
            }

    def begin(self, call: Call, rules: tuple[CallRule, ...], now: int, elapsed: int) -> Attempt:
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
                if rule.through_retries and call.attempt:
                    is_hit = any(hit.place == place for hit in earlier)
                else:
                    is_hit = rule.matches(call.operation, call.key, elapsed) and count.due(
                        place, rule, now, self._state.mint
                    )
                winner = place if is_hit else winner
            if winner is None:
                return Attempt(call, earlier, None, None)
            counts[winner].hits += 1
            hit = self._remembered(winner, rules[winner], call, now)
            return Attempt(call, earlier, hit, _outcome(hit.rule, counts[winner], now))

    def end(self, attempt: Attempt, reply: messages.Reply) -> None:
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

    def _counts(self, rules: tuple[CallRule, ...]) -> list[RuleCount]:
        """One for each rule; rules that were there before keep theirs."""
        hits = self.hits
        if rules is not hits.rules:
            pairs = zip(hits.rules, rules, strict=False)
            kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            fresh = (RuleCount() for _ in rules[kept:])
            hits.rules, hits.counts = rules, [*hits.counts[:kept], *fresh]
        return hits.counts

    def _remembered(self, place: int, rule: CallRule, call: Call, now: int) -> Hit:
        hits = self.hits
        hits.number += 1
        hit = Hit(hits.number, place, rule, call.operation, call.id, now, call.attempt)
        hits.hits[hit.number] = hit
        if len(hits.hits) > KEPT:
            del hits.hits[next(iter(hits.hits))]
        return hit


def last_edge(rules: Sequence[CallRule]) -> int:
    """When the last rule that is bound to a time begins or ends, in microseconds from the start."""
    spans = (rule.span for rule in rules)
    return max((since if until is None else until for since, until in spans), default=0)


def _outcome(rule: CallRule, count: RuleCount, now: int) -> CallOutcome:
    """What comes of a request that is hit now: beyond a limit, a 429."""
    limit = rule.rate_limit
    if limit is None:
        outcome: CallOutcome = rule.outcome
        return outcome
    room_in = count.let_through[0] + microseconds(limit.per) - now
    wait = room_in / SECOND if limit.retry_after is None else limit.retry_after
    return Fail(429, retry_after=wait, http_date=limit.http_date)


def altered(
    attempt: Attempt, reply: messages.Reply, now: int, dialect: Dialect, request_id: str
) -> messages.Reply:
    """What a fault makes of the true reply to a request; `NO_REPLY` where it is not carried out."""
    match attempt.outcome:
        case Fail() | Reply():
            return _instead(attempt.outcome, attempt.call, now, dialect, request_id)
        case Timeout() | Reset() | Disconnect() | ConnectError():
            end = Broken(_end_of(attempt.outcome))
            return reply.scripted(Script(before=(end,)))
        case Truncate():
            return _truncated(reply, attempt.outcome)
        case Slow():
            return _slowed(reply, attempt.outcome)
        case Headers(headers):
            return reply._replace(headers={**reply.headers, **headers})
        case _:
            return reply


_FRAMINGS: dict[str, Framing] = {
    "content_length": "content-length",
    "chunked": "chunked",
    "silent": "close",
}


def _end_of(outcome: Timeout | Reset | Disconnect | ConnectError) -> BrokenKind:
    """How a connection ends without a reply."""
    match outcome:
        case Timeout():
            return "read_timeout"
        case Reset():
            return "reset"
        case Disconnect():
            return "disconnected"
        case ConnectError(why):
            return why


def _truncated(reply: messages.Reply, truncate: Truncate) -> messages.Reply:
    framing = _FRAMINGS[truncate.framing]
    whole = reply.scripted(Script(framing=framing))
    arrived = whole.body[: int(len(whole.body) * truncate.fraction)]
    return whole._replace(script=Script(body=(arrived, Broken("incomplete")), framing=framing))


def _slowed(reply: messages.Reply, slow: Slow) -> messages.Reply:
    first_byte, gap = microseconds(slow.first_byte), microseconds(slow.gap)
    before = (Pause(first_byte),) if first_byte else ()
    whole = reply.scripted(Script(before))
    if not gap:
        return whole
    size = -(-len(whole.body) // slow.pieces) or 1
    steps: list[Step] = []
    for start in range(0, len(whole.body), size):
        if start:
            steps.append(Pause(gap))
        steps.append(whole.body[start : start + size])
    return whole._replace(script=Script(before, tuple(steps)))


def _instead(
    verb: Fail | Reply, call: Call, now: int, dialect: Dialect, request_id: str
) -> messages.Reply:
    """Another reply in the place of the true one."""
    headers = dict(verb.headers)
    if isinstance(verb, Fail) and verb.retry_after is not None:
        wait = microseconds(verb.retry_after)
        # as a date a whole second, never earlier: who waits until then has waited long enough
        date = formatdate(math.ceil((now + wait) / SECOND), usegmt=True)
        seconds = f"{wait / SECOND:.6f}".rstrip("0").rstrip(".")
        headers = {"retry-after": date if verb.http_date else seconds, **headers}
    if verb.body is None:
        reply = failure(
            dialect, verb.status, request_id, operation=call.operation, id_=call.id, key=call.key
        )
    else:
        reply = _reply_of(verb.status, verb.body)
    return reply._replace(headers={**reply.headers, **headers})


def _reply_of(status: int, body: Mapping[str, Any] | str) -> messages.Reply:
    if not isinstance(body, str):
        return json_reply(status, body)
    if not body:
        return messages.Reply(status, {}, b"")
    kind = "text/html" if body.startswith("<") else "text/plain"
    return messages.Reply(status, {"content-type": f"{kind}; charset=utf-8"}, body.encode())
