"""What a model would have answered: the default reply body of each endpoint, a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fakebatch.replies import (
    chat,
    completions,
    embeddings,
    images,
    moderations,
    responses,
    unusable,
    videos,
)
from fakebatch.replies.conversation import Charge, Usage, asked, usage
from fakebatch.replies.question import Question

__all__ = [
    "ENDPOINTS",
    "Charge",
    "Endpoint",
    "Question",
    "Usage",
    "asked",
    "charged",
    "echo",
    "followed",
    "spoiled",
    "usage",
    "worded",
]


class Endpoint(NamedTuple):
    """How one endpoint answers."""

    echo: Callable[[Question], dict[str, Any]]
    worded: Callable[[Question, str], dict[str, Any]] | None = None
    """None where an answer holds no words."""
    spoiled: Callable[[Question, dict[str, Any], str], dict[str, Any]] = unusable.data
    """The default answer, made unusable in a way."""
    charge: Callable[[Question], Usage] | None = None
    """What the default body is charged for, where that is known sooner than the body."""


ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/chat/completions": Endpoint(chat.echo, chat.worded, unusable.chat),
    "/v1/completions": Endpoint(completions.echo, completions.worded, unusable.completions),
    "/v1/embeddings": Endpoint(embeddings.echo, charge=embeddings.charge),
    "/v1/images/edits": Endpoint(images.echo),
    "/v1/images/generations": Endpoint(images.echo),
    "/v1/moderations": Endpoint(moderations.echo),
    "/v1/responses": Endpoint(responses.echo, responses.worded, unusable.responses),
    "/v1/videos": Endpoint(videos.echo),
}


def echo(question: Question) -> dict[str, Any]:
    """The default body: it says what the user said last, or holds no words at all.

    Raises:
        ValueError: nobody knows what the endpoint answers.
    """
    return _endpoint(question).echo(question)


def charged(question: Question) -> Usage:
    """What the default body is charged for."""
    charge = _endpoint(question).charge
    return usage(echo(question)) if charge is None else charge(question)


def followed(question: Question, text: str) -> dict[str, Any]:
    """The default body; whatever it says is followed by a text."""
    body = _endpoint(question).echo(question)
    return unusable.followed(body, text) if text else body


def spoiled(question: Question, how: str) -> dict[str, Any]:
    """The default body, made unusable in a way: `length`, `refusal`, `null` and others."""
    endpoint = _endpoint(question)
    return endpoint.spoiled(question, endpoint.echo(question), how)


def worded(question: Question, text: str) -> dict[str, Any]:
    """The same body, saying `text`.

    Raises:
        ValueError: nobody knows what the endpoint answers, or its answers hold no words.
    """
    say = _endpoint(question).worded
    if say is None:
        raise ValueError(f"An answer of {question.endpoint} holds no words: give its body instead.")
    return say(question, text)


def _endpoint(question: Question) -> Endpoint:
    known = ENDPOINTS.get(question.endpoint)
    if known is None:
        names = ", ".join(ENDPOINTS)
        raise ValueError(f"There is no default answer for {question.endpoint}, only for {names}.")
    return known
