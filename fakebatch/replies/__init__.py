"""Default replies: for each endpoint a pure function from a request to a response body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fakebatch.errors import UsageError
from fakebatch.replies import chat, malformed, nontext, responses
from fakebatch.replies.request import Body, ModelRequest, PlainReply, Usage, input_tokens, usage

__all__ = [
    "ENDPOINTS",
    "Endpoint",
    "ModelRequest",
    "PlainReply",
    "Usage",
    "echo",
    "input_tokens",
    "malform",
    "usage",
    "with_text",
]


class Endpoint(NamedTuple):
    """The functions that make the replies of one endpoint."""

    echo: Callable[[ModelRequest], Body]
    with_text: Callable[[ModelRequest, str], Body] | None = None
    """The reply with a given text; None if replies of the endpoint have no text."""
    malformed: Callable[[ModelRequest, Body, str], Body] = malformed.data
    """The default reply, malformed in the given way."""
    plain: Callable[[ModelRequest, str | None], PlainReply | None] | None = None
    """What the default reply, or the reply with a given text, has of its own; None if the request
    is not plain. Such replies are written in bulk."""
    plain_body: Callable[[ModelRequest, PlainReply], Body] | None = None
    """The reply with these values."""


ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/chat/completions": Endpoint(
        chat.echo, chat.with_text, malformed.chat, chat.plain, chat.plain_body
    ),
    "/v1/completions": Endpoint(chat.echo_completion, chat.text_completion, malformed.completions),
    "/v1/embeddings": Endpoint(
        nontext.embeddings, plain=nontext.plain_embeddings, plain_body=nontext.plain_body
    ),
    "/v1/images/edits": Endpoint(nontext.images),
    "/v1/images/generations": Endpoint(nontext.images),
    "/v1/moderations": Endpoint(nontext.moderations),
    "/v1/responses": Endpoint(
        responses.echo,
        responses.with_text,
        malformed.responses,
        responses.plain,
        responses.plain_body,
    ),
}


def echo(request: ModelRequest, then: str = "") -> Body:
    """The default reply: every text in it is the user's last, followed by `then`.

    Where the request requires JSON, `then` is part of a string in it.

    Raises:
        UsageError: the endpoint has no default reply, or no value is valid for the schema.
    """
    body = _endpoint(request).echo(request)
    return malformed.append_text(request, body, then) if then else body


def malform(request: ModelRequest, how: str) -> Body:
    """The default reply, malformed: `how` is `length`, `refusal`, `null` or another.

    Raises:
        UsageError: as for `echo`, or replies of the endpoint cannot be split.
    """
    endpoint = _endpoint(request)
    body = endpoint.echo(request)
    if how == "reversed":
        return malformed.with_items_reversed(body)
    if how == "split" and request.endpoint != "/v1/responses":
        raise UsageError(
            f"The reply to {request.name} cannot be split.",
            f"Replies of {request.endpoint} do not consist of items; those of /v1/responses do.",
            'Select them: fakebatch.on(endpoint="/v1/responses").malformed("split").',
        )
    return endpoint.malformed(request, body, how)


def with_text(request: ModelRequest, text: str) -> Body:
    """The default reply with this text.

    Raises:
        UsageError: the endpoint has no default reply, or one without text.
    """
    make = _endpoint(request).with_text
    if make is None:
        raise UsageError(
            f"The text {text!r} cannot be the reply to {request.name}.",
            f"Replies of {request.endpoint} have no text.",
            "Give the whole response body as a dict.",
        )
    return make(request, text)


def _endpoint(request: ModelRequest) -> Endpoint:
    endpoint = ENDPOINTS.get(request.endpoint)
    if endpoint is None:
        raise UsageError(
            f"There is no default reply to {request.name}, a request for {request.endpoint}.",
            f"Default replies exist for {', '.join(ENDPOINTS)}.",
            f'Give its body: fakebatch.on(endpoint="{request.endpoint}").reply({{...}}).',
        )
    return endpoint
