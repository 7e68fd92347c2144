"""What a model would have answered: the default reply body of each endpoint, a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fakebatch.errors import UsageError
from fakebatch.replies import chat, malformed, nontext, responses
from fakebatch.replies.request import ModelRequest, Usage, input_tokens, usage

__all__ = [
    "ENDPOINTS",
    "Endpoint",
    "ModelRequest",
    "Usage",
    "echo",
    "echo_usage",
    "input_tokens",
    "malform",
    "usage",
    "worded",
]

Body = dict[str, Any]


class Endpoint(NamedTuple):
    """How one endpoint replies."""

    echo: Callable[[ModelRequest], Body]
    worded: Callable[[ModelRequest, str], Body] | None = None
    """The same reply with a text of the test's own; None where a reply holds no text."""
    malformed: Callable[[ModelRequest, Body, str], Body] = malformed.data
    """The default reply, malformed in a way."""
    usage: Callable[[ModelRequest], Usage] | None = None
    """The usage of the default reply, where that takes less than the reply itself."""


ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/chat/completions": Endpoint(chat.echo, chat.worded, malformed.chat),
    "/v1/completions": Endpoint(chat.echo_prompts, chat.worded_prompts, malformed.completions),
    "/v1/embeddings": Endpoint(nontext.embeddings, usage=nontext.embeddings_usage),
    "/v1/images/edits": Endpoint(nontext.images),
    "/v1/images/generations": Endpoint(nontext.images),
    "/v1/moderations": Endpoint(nontext.moderations),
    "/v1/responses": Endpoint(responses.echo, responses.worded, malformed.responses),
}


def echo(request: ModelRequest, then: str = "") -> Body:
    """The default reply: every text in it is the user's last, followed by `then`.

    Raises:
        UsageError: the endpoint has no default reply, or none meets the schema of the request.
    """
    body = _endpoint(request).echo(request)
    return malformed.followed(body, then) if then else body


def echo_usage(request: ModelRequest) -> Usage:
    """The usage of the default reply.

    Raises:
        UsageError: as for `echo`.
    """
    cheaper = _endpoint(request).usage
    return usage(echo(request)) if cheaper is None else cheaper(request)


def malform(request: ModelRequest, how: str) -> Body:
    """The default reply, malformed in a way: `length`, `refusal`, `null` and others.

    Raises:
        UsageError: as for `echo`.
    """
    endpoint = _endpoint(request)
    return endpoint.malformed(request, endpoint.echo(request), how)


def worded(request: ModelRequest, text: str) -> Body:
    """The default reply with `text` in it.

    Raises:
        UsageError: the endpoint has no default reply, or one without text.
    """
    fill = _endpoint(request).worded
    if fill is None:
        raise UsageError(
            f"The reply {text!r} cannot answer {request.name}.",
            f"A reply of {request.endpoint} holds no text.",
            "Give the whole response body as a dict.",
        )
    return fill(request, text)


def _endpoint(request: ModelRequest) -> Endpoint:
    endpoint = ENDPOINTS.get(request.endpoint)
    if endpoint is None:
        raise UsageError(
            f"There is no default reply to {request.name}, a request for {request.endpoint}.",
            f"Default replies exist for {', '.join(ENDPOINTS)}.",
            f'Give its body: fakebatch.on(endpoint="{request.endpoint}").reply({{...}}).',
        )
    return endpoint
