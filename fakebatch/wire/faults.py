"""Rules of `on_call`: which requests they hit, and what the client gets instead of the reply.

All counts are in one value, `CallHits`, which can be copied and pickled. A rule is identified by
its place in the scenario.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import zip_longest
from typing import NamedTuple

from fakebatch.durations import SECOND, microseconds
from fakebatch.rules.calls import (
    CallOutcome,
    CallRule,
    ConnectError,
    Disconnect,
    Fail,
    Headers,
    Override,
    RateLimit,
    Reply,
    Reset,
    Slow,
    Timeout,
    Truncate,
)
from fakebatch.service import State
from fakebatch.service.state import Rate
from fakebatch.wire import messages
from fakebatch.wire.messages import (
    Broken,
    BrokenKind,
    Framing,
    Pause,
    Request,
    Script,
    Step,
    json_reply,
    text_reply,
)

KEPT = 1_000
"""How many hits are kept."""

_RETRYING = 64  # how many calls of one operation on one object may await a retry at the same time


class Hit(NamedTuple):
    """A request that a rule has hit."""

    number: int
    """Counts all hits, from 1."""
    place: int
    """The index of the rule in `on_call`."""
    rule: CallRule
    operation: str
    id: str
    """The id in the path of the request; empty: there is none."""
    at: int
    """Microseconds since the epoch."""
    attempt: int
    """0, or the number of the SDK's retry."""
    absorbed: bool = False
    """Whether a later attempt of the same call succeeded, so that the fault cost only a retry."""


class CallKey(NamedTuple):
    """Identifies one attempt of a call: the SDK retries a call with the same operation and id."""

    operation: str
    id: str
    attempt: int
    """0, or the number of the SDK's retry; other clients do not send it."""


class Attempt(NamedTuple):
    """A request, the hits on earlier attempts of its call, and the hit on this one."""

    key: CallKey
    earlier: tuple[Hit, ...]
    hit: Hit | None
    outcome: CallOutcome | None

    @property
    def is_carried_out(self) -> bool:
        """Whether the service carries the operation out, also if the client gets an error."""
        # verbs that replace the reply have the parameter `applied`
        return bool(getattr(self.outcome, "applied", not isinstance(self.outcome, ConnectError)))

    def seen(self, request: Request) -> Request:
        """The request as the service takes it: without the parameters that a rule ignores."""
        ignored = self.outcome.ignores if isinstance(self.outcome, Override) else ()
        query = {name: value for name, value in request.query.items() if name not in ignored}
        return request._replace(query=query)


@dataclass(eq=False, slots=True)
class RuleCount:
    """The counts of one rule."""

    rule: CallRule
    matched: int = 0
    """How many requests have matched."""
    hit: int = 0
    """How many of them were hit; `times` is the most."""
    let_through: Rate = field(default_factory=lambda: Rate(0))
    """The requests that a rate limit has let through."""

    def copy(self) -> RuleCount:
        """A copy that counts separately."""
        return replace(self, let_through=self.let_through.copy())


@dataclass(eq=False, slots=True)
class CallHits:
    """All counts and hits of the rules of `on_call`."""

    counts: list[RuleCount] = field(default_factory=list[RuleCount])
    """The counts of each rule, in the order of the scenario."""
    hits: dict[int, Hit] = field(default_factory=dict[int, Hit])
    """The last thousand hits, by number."""
    number: int = 0
    """How many hits there were."""
    between_attempts: dict[CallKey, deque[tuple[Hit, ...]]] = field(
        default_factory=dict[CallKey, deque[tuple[Hit, ...]]]
    )
    """The hits on the earlier attempts of each retry that may follow."""

    def copy(self) -> CallHits:
        """A copy that counts separately."""
        return replace(
            self,
            counts=[count.copy() for count in self.counts],
            hits=self.hits.copy(),
            between_attempts={key: hits.copy() for key, hits in self.between_attempts.items()},
        )


class Faults:
    """Decides which requests are hit by rules of `on_call`. Thread-safe.

    Args:
        state: holds the rules and the counts, so that `restore` brings both back.
        elapsed: the time since the start at a moment, both in microseconds.
    """

    def __init__(self, state: State, elapsed: Callable[[int], int]) -> None:
        state.calls = CallHits()
        self._state = state
        self._elapsed = elapsed

    @property
    def fired(self) -> tuple[Hit, ...]:
        """The last thousand hits, oldest first."""
        with self._state.lock:
            return tuple(self._calls().hits.values())

    def excused(self) -> set[int]:
        """The places of rules that need not have hit: rate limits, and rules with a `chance`."""
        with self._state.lock:
            return {
                place
                for place, count in enumerate(self._calls().counts)
                if count.rule.rate_limit is not None or (count.matched and count.rule.chance)
            }

    def begin(self, operation: str, id_: str, request: Request, now: int) -> Attempt:
        """Count a request for every rule. Of the rules that hit it the last takes effect."""
        retries = request.headers.get("x-stainless-retry-count", "")
        attempt = int(retries) if retries.isdecimal() and len(retries) < 9 else 0
        key, elapsed = CallKey(operation, id_, attempt), self._elapsed(now)
        with self._state.lock:
            calls = self._calls()
            waiting = calls.between_attempts.get(key, ())
            earlier = waiting.pop() if waiting else ()
            winner: int | None = None
            for place, count in enumerate(calls.counts):
                if count.rule.through_retries and attempt:
                    is_hit = any(hit.place == place for hit in earlier)
                else:
                    is_matched = count.rule.matches(operation, id_, request, elapsed)
                    is_hit = is_matched and self._is_due(place, count, now)
                winner = place if is_hit else winner
            if winner is None:
                return Attempt(key, earlier, None, None)
            self._state.hit("on_call", [winner])
            rule, let_through = calls.counts[winner].rule, calls.counts[winner].let_through
            calls.number += 1
            hit = Hit(calls.number, winner, rule, operation, id_, now, attempt)
            calls.hits[hit.number] = hit
            if len(calls.hits) > KEPT:
                del calls.hits[next(iter(calls.hits))]
            outcome: CallOutcome = rule.outcome
            if isinstance(outcome, RateLimit):
                wait = outcome.retry_after
                if wait is None:
                    wait = (let_through.calls[0] + let_through.per - now) / SECOND
                outcome = Fail(429, retry_after=wait, http_date=outcome.http_date)
            return Attempt(key, earlier, hit, outcome)

    def _is_due(self, place: int, count: RuleCount, now: int) -> bool:
        """Count a request that matches a rule. Returns whether the rule hits it."""
        rule, chance = count.rule, count.rule.chance
        if rule.rate_limit is not None:
            count.let_through.per = microseconds(rule.rate_limit.per)
            return not count.let_through.allows(rule.rate_limit.most, now)
        count.matched += 1
        if rule.times is None:
            in_turn = rule.nth in (None, count.matched)
        else:
            in_turn = count.matched >= (rule.nth or 1) and count.hit < rule.times
        draw = self._state.id_factory.share
        due = in_turn and (chance is None or draw("call", place, count.matched) < chance)
        count.hit += due
        return due

    def end(self, attempt: Attempt, reply: messages.Reply) -> None:
        """Record the outcome of an attempt: success makes the hits on earlier attempts absorbed."""
        key, earlier, hit, _ = attempt
        hits = earlier if hit is None else (*earlier, hit)
        if not hits:
            return
        with self._state.lock:
            calls = self._calls()
            if hit is None and reply.status < 400:
                for each in hits:
                    if each.number in calls.hits:
                        calls.hits[each.number] = each._replace(absorbed=True)
            else:
                following = key._replace(attempt=key.attempt + 1)
                calls.between_attempts.setdefault(following, deque(maxlen=_RETRYING)).append(hits)

    def _calls(self) -> CallHits:
        """The counts, one for each rule. A rule that is still there keeps its own."""
        calls: CallHits = self._state.calls
        rules = [*self._state.scenario.on_call]
        if rules != [count.rule for count in calls.counts]:
            calls.counts = [
                count if count is not None and count.rule == rule else RuleCount(rule)
                for rule, count in zip_longest(rules, calls.counts[: len(rules)])
            ]
        return calls


def last_edge(rules: Sequence[CallRule]) -> int:
    """The last moment at which a `between` of these rules begins or ends, from the start."""
    spans = (rule.span for rule in rules)
    return max((since if until is None else until for since, until in spans), default=0)


# --- what the verbs do to a reply

_FRAMINGS: dict[str, Framing] = {
    "content_length": "content-length",
    "chunked": "chunked",
    "silent": "close",
}

_BREAKS: dict[type, BrokenKind] = {
    Timeout: "read_timeout",
    Reset: "reset",
    Disconnect: "disconnected",
}
"""How the verbs end a connection."""


def altered(
    attempt: Attempt, reply: messages.Reply, now: int, usual_error: Callable[[int], messages.Reply]
) -> messages.Reply:
    """The reply that a client gets.

    `reply` is the one without faults, `NO_REPLY` if the operation was not carried out;
    `usual_error` makes the error that the provider sends with a status.
    """
    match attempt.outcome:
        case Fail() | Reply() as verb:
            return _instead(verb, now, usual_error)
        case Timeout() | Reset() | Disconnect() | ConnectError() as verb:
            kind = verb.why if isinstance(verb, ConnectError) else _BREAKS[type(verb)]
            return reply.scripted(Script(before=(Broken(kind),)))
        case Truncate(fraction, framing=framing):
            script = Script(framing=_FRAMINGS[framing])
            whole = reply.scripted(script)
            arrived = whole.body[: int(len(whole.body) * fraction)]
            return whole._replace(script=script._replace(body=(arrived, Broken("incomplete"))))
        case Slow() as slow:
            return _slowed(reply, slow)
        case Headers(headers):
            reply = reply._replace(headers={**reply.headers, **headers})
        case Override() as verb if (
            reply.status < 400
            and reply.headers.get("content-type") == "application/json"
            and reply.body.startswith(b"{")
        ):
            shown = verb.applied(json.loads(reply.body))
            reply = reply._replace(body=json.dumps(shown, indent=2).encode())
        case _:
            pass
    return reply


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
    verb: Fail | Reply, now: int, usual_error: Callable[[int], messages.Reply]
) -> messages.Reply:
    """The reply of a rule."""
    if verb.body is None:
        reply = usual_error(verb.status)
    elif not isinstance(verb.body, str):
        reply = json_reply(verb.status, verb.body)
    else:
        reply = text_reply(verb.status, verb.body)
    headers = {**reply.headers}
    if isinstance(verb, Fail) and verb.retry_after is not None:
        wait = microseconds(verb.retry_after)
        # a date has whole seconds: rounded up, so that a client which waits for it waits enough
        date = formatdate(math.ceil((now + wait) / SECOND), usegmt=True)
        seconds = f"{wait / SECOND:.6f}".rstrip("0").rstrip(".")
        headers["retry-after"] = date if verb.http_date else seconds
    return reply._replace(headers={**headers, **verb.headers})
