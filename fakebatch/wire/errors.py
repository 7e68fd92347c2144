"""The error response of a call that fails, in the words and the shape of the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fakebatch.dialects import APIError, Dialect, ErrorKind, ErrorTemplate, render
from fakebatch.wire.messages import Reply, json_reply

_NOT_FOUND = {
    "batches": ErrorKind.NO_SUCH_BATCH,
    "files": ErrorKind.NO_SUCH_FILE,
    "models": ErrorKind.NO_SUCH_MODEL,
}
"""What a 404 is, by the first part of the operation's name."""


def refused(dialect: Dialect, refusal: APIError, request_id: str, *, of_files: bool) -> Reply:
    """A call the service refuses."""
    words = dialect.errors[refusal.kind]
    return _worded(dialect, words, refusal.facts, request_id, of_files=of_files)


def failure(
    dialect: Dialect, status: int, request_id: str, *, operation: str, id_: str, key: str
) -> Reply:
    """A failure that a test asked for, in the words that are usual with that status."""
    kind = operation.partition(".")[0]
    reason = {401: ErrorKind.WRONG_KEY, 404: _NOT_FOUND.get(kind)}.get(status)
    if reason is None:
        usual = dialect.line_errors
        words = usual.get(status) or usual[400 if status < 500 else 500]
    else:
        words = dialect.errors[reason]
    facts = {"id": id_, "key": masked(key)}
    words = replace(words, status=status)
    return _worded(dialect, words, facts, request_id, of_files=kind == "files")


def masked(key: str) -> str:
    """A key as the service quotes it: the middle of a long one in stars, all of a short one."""
    if len(key) <= 12:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


def _worded(
    dialect: Dialect,
    words: ErrorTemplate,
    facts: Mapping[str, object],
    request_id: str,
    *,
    of_files: bool,
) -> Reply:
    values = {
        "message": words.message_for(facts),
        "type": words.type,
        "param": words.param_for(facts),
        "code": words.code,
        "code_or_status": words.code or str(words.status),
        "status": words.status,
        "status_text": str(words.status),
        "request_id": request_id,
    }
    shapes = dialect.shapes
    before_files = not of_files or words.status == 401  # a wrong key gets no further
    shape = shapes.error if before_files else shapes.error_of_files or shapes.error
    reply = json_reply(words.status, render(shape, values), end="\n")
    return reply._replace(headers={**reply.headers, **words.headers})
