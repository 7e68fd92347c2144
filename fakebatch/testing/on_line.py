"""How a test says what shall happen: fluent calls that build the Scenario's frozen data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from fakebatch.dialects import ErrorTemplate
from fakebatch.errors import Misuse
from fakebatch.scenario import (
    Answer,
    Corruption,
    Damage,
    Echoes,
    ErrorShape,
    Fails,
    Hangs,
    LineRule,
    Outcome,
    Recorded,
    Renaming,
    Says,
    Spoils,
    Unusable,
    Which,
)

LineErrors = Mapping[int, ErrorTemplate]
"""The provider's usual words for a line's HTTP error, by status."""


class On:
    """The request lines a test has selected; say what comes of them."""

    def __init__(self, which: Which, add: Callable[[LineRule], None], usual: LineErrors) -> None:
        self._which = which
        self._add = add
        self._usual = usual

    def reply(self, answer: Answer) -> None:
        """They succeed with a text, a whole response body, or what a callable makes of the line."""
        self._add(LineRule(self._which, Says(checked_answer(answer))))

    def fail(
        self,
        status: int | None = None,
        *,
        code: str | None = None,
        message: str | None = None,
        body: Mapping[str, Any] | None = None,
        times: int | None = None,
        file: Literal["error", "output"] = "error",
        shape: ErrorShape = "body",
    ) -> None:
        """They fail with an HTTP status, or (without one) with a code such as `request_timeout`.

        Status 0 is a line that nobody answered, with an empty body.

        Args:
            status: 400 to 599, or 0.
            code: what stands in the error; without a status, the error is this code.
            message: what stands in the error; by default the provider's usual words.
            body: the whole response body instead.
            times: in how many batches; submitted again after that, a custom_id succeeds.
            file: which result file they are in.
            shape: where a line has its error: in the "body", in `error` ("top"), in "both", or
                there as a bare "string".

        Raises:
            Misuse: neither such a status nor a code.
        """
        fails = failure(self._usual, status, code=code, message=message, body=body)
        self._add(LineRule(self._which, replace(fails, times=times, file=file, shape=shape)))

    def spoil(self, how: Unusable) -> None:
        """They succeed with an answer that nobody can use: `length`, `refusal`, `null` and others.

        Raises:
            Misuse: an unknown way.
        """
        self._add(LineRule(self._which, Spoils(how)))

    def hang(self) -> None:
        """They never finish, so that their batch expires."""
        self._add(LineRule(self._which, Hangs("expiry")))

    def drop(self) -> None:
        """They are run and counted, and are in no file."""
        self._add(LineRule(self._which, damage=Damage(copies=0)))

    def duplicate(
        self, times: int = 2, *, conflict: Literal["success", "error"] | None = None
    ) -> None:
        """They are written so often; with `conflict` once, and once more with another result."""
        damage = Damage(copies=times) if conflict is None else Damage(conflict=conflict)
        self._add(LineRule(self._which, damage=damage))

    def corrupt(self, how: Corruption) -> None:
        """Their result lines are broken: `cut`, `array`, `garbage`, `null` and others."""
        self._add(LineRule(self._which, damage=Damage(corrupt=how)))

    def rename(self, how: Renaming) -> None:
        """Their custom_ids come back as an `int`, `trim`med, `upper`, `lower` or `null`."""
        self._add(LineRule(self._which, damage=Damage(custom_id=how)))


def failure(
    usual: LineErrors,
    status: int | None = None,
    *,
    code: str | None = None,
    message: str | None = None,
    body: Mapping[str, Any] | None = None,
) -> Fails:
    """A failure with the provider's usual words where the test gives none of its own."""
    if status is None and code is not None:
        return Fails(None, {"code": code, "message": message or f"The request failed: {code}."})
    if type(status) is int and status == 0:
        return Fails(0, body or {})
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise Misuse(
            f"fail(status={status!r}, code={code!r}) is no failure.",
            "A line fails with an HTTP status of 400 to 599 or 0, or with a code and no status.",
            "Write for example .fail(429) or .fail(code='request_timeout').",
        )
    if body is not None:
        return Fails(status, body)
    words = usual.get(status) or usual[400 if status < 500 else 500]
    error = {
        "message": message or words.message,
        "type": words.type,
        "param": None,
        "code": code or words.code,
    }
    return Fails(status, {"error": error})


def checked_answer(answer: Any) -> Answer:
    """An answer that can be one.

    Raises:
        Misuse: neither a text nor a dict nor a callable.
    """
    if not (isinstance(answer, str | Mapping) or callable(answer)):
        raise _no_answer(answer)
    return answer  # type: ignore[no-any-return] # pyright: ignore[reportUnknownVariableType]


def _no_answer(answer: object) -> Misuse:
    return Misuse(
        f"{answer!r} cannot be a reply.",
        "A reply is a text, a whole response body (a dict), or a callable that makes either.",
        "For a failure use .fail(429).",
    )


def recording(path: str | Path, missing: str | None) -> Recorded:
    """The answers of a real output or error file, by custom_id.

    Raises:
        Misuse: no such file, a line that is no result line, or an unknown `missing`.
    """
    if missing not in (None, "echo"):
        raise Misuse(
            f"reply_from(missing={missing!r}) is unknown.",
            "Known are None (a missing custom_id fails the test) and 'echo'.",
            "Leave it out, or write missing='echo'.",
        )
    try:
        raw = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise Misuse(
            f"reply_from cannot read {str(path)!r}: {error.strerror}.",
            f"Relative paths count from {Path.cwd()}.",
            "Give the path of a downloaded output file.",
        ) from error
    lines = (
        _recorded_line(line, number, path) for number, line in enumerate(raw, 1) if line.strip()
    )
    return Recorded(dict(lines), str(path), Echoes() if missing else None)


def _recorded_line(raw: bytes, number: int, path: str | Path) -> tuple[str, Says | Fails]:
    try:
        said = json.loads(raw)
        response, custom_id = said["response"], said["custom_id"]
        hash(custom_id)  # it will be a key
        if response is None:
            return custom_id, Fails(None, {**said["error"]})
        if response["status_code"] >= 400:
            return custom_id, Fails(response["status_code"], response["body"])
        return custom_id, Says({**response["body"]})
    except (ValueError, LookupError, TypeError) as error:
        raise Misuse(
            f"Line {number} of {str(path)!r} is no result line: {error!r}.",
            'A result line is {"custom_id": …, "response": {"status_code": …, "body": …}, …}.',
            "Give an output or error file as downloaded, not an input file.",
        ) from error


def which(where: Callable[..., bool] | None, given: Mapping[str, Any]) -> Which:
    """A selection of request lines; without any condition, all of them.

    Raises:
        Misuse: a condition is unknown.
    """
    known = [name for name in Which.__dataclass_fields__ if name != "where"]
    unknown = [name for name in given if name not in known]
    if unknown or (where is not None and not callable(where)):
        raise Misuse(
            f"fakebatch.on does not know {', '.join(unknown) or repr(where)}.",
            f"Lines are selected by {', '.join(known)}, or by a predicate.",
            "Write for example fakebatch.on(custom_id='row-1') or on(lambda line: …).",
        )
    return Which(**given, where=where)


__all__ = ["On", "Outcome", "checked_answer", "failure", "recording", "which"]
