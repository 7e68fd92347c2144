"""What the provider says when a call fails, in its own words and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fakebatch.dialects import Dialect, Reason, Refusal, Words
from fakebatch.wire.exchange import Reply, json_reply
from fakebatch.wire.faults import Call

_NOT_FOUND = {
    "batches": Reason.NO_SUCH_BATCH,
    "files": Reason.NO_SUCH_FILE,
    "models": Reason.NO_SUCH_MODEL,
}
"""What a 404 is, by the first part of the operation's name."""


def refused(dialect: Dialect, refusal: Refusal, *, of_files: bool) -> Reply:
    """A call the service refuses."""
    return _worded(dialect.refusals[refusal.reason], refusal.facts, of_files=of_files)


def failure(dialect: Dialect, call: Call, status: int) -> Reply:
    """A failure that a test asked for, in the words that are usual with that status."""
    kind = call.operation.partition(".")[0]
    reason = {401: Reason.WRONG_KEY, 404: _NOT_FOUND.get(kind)}.get(status)
    if reason is None:
        usual = dialect.line_errors
        words = usual.get(status) or usual[400 if status < 500 else 500]
    else:
        words = dialect.refusals[reason]
    facts = {"id": call.id, "key": masked(call.request.key)}
    return _worded(replace(words, status=status), facts, of_files=kind == "files")


def masked(key: str) -> str:
    """A key as the service quotes it: the middle of a long one in stars, all of a short one."""
    if len(key) <= 12:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


def _worded(words: Words, facts: Mapping[str, object], *, of_files: bool) -> Reply:
    message = words.message_for(facts)
    error = {
        "message": message,
        "type": words.type,
        "param": words.param_for(facts),
        "code": words.code,
    }
    body: dict[str, Any] = {"error": error}
    if of_files and words.status != 401:
        body["detail"] = {"message": message, "code": words.code}
    reply = json_reply(words.status, body, end="\n")
    if words.status == 401:
        challenge = {"www-authenticate": 'Bearer realm="OpenAI API"'}
        return replace(reply, headers={**reply.headers, **challenge})
    return reply
