"""What validation says of a file, in the provider's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fakebatch.batch.input_file import Validation, validate
from fakebatch.dialects import OPENAI, Limits
from support.batches import CHAT, request

MODELS = frozenset({"gpt-5-nano", "gpt-5-mini"})
EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"

Said = tuple[str | None, str, str | None, int | None]


def said(judged: Validation) -> list[Said]:
    """The entries as the dialect words them: code, message, param, line."""
    entries = ((OPENAI.batch_errors[entry.code], entry) for entry in judged.errors)
    return [
        (
            words.code,
            words.message.format_map(entry.values),
            words.param and words.param.format_map(entry.values),
            entry.line,
        )
        for words, entry in entries
    ]


def found(content: bytes, endpoint: str = CHAT, limits: Limits = OPENAI.limits) -> list[Said]:
    """What validation says of a file in a world of two models."""
    return said(validate(content, endpoint, replace(OPENAI, limits=limits), MODELS))


def without(name: str) -> dict[str, Any]:
    """A request that lacks a key."""
    return {key: value for key, value in request("r-1").items() if key != name}


def with_body(custom_id: str = "r-1", **changes: Any) -> dict[str, Any]:
    """A request whose body is changed; None takes a key away."""
    body = {**request(custom_id)["body"], **changes}
    return request(custom_id, body={key: value for key, value in body.items() if value is not None})


BAD_JSON = ("invalid_json_line", "This line is not parseable as valid JSON.", None)
NO_MODEL = ("invalid_request", "Model parameter is required.", "body.model")
URL = ("invalid_url", "The URL provided for this request does not match the batch endpoint.", "url")
STREAM = (
    "streaming_unsupported",
    "Chat Completions: Streaming is not supported in the Batch API.",
    "body.stream",
)
DUPLICATE = (
    "duplicate_custom_id",
    (
        "The custom_id for this request is a duplicate of another request. The custom_id parameter "
        "must be unique for each request in a batch."
    ),
    "custom_id",
)
MISMATCH = (
    "mismatched_model",
    (
        "The model 'gpt-5-mini' for this request does not match the rest of the batch. Each batch "
        "must contain requests for a single model."
    ),
    "body.model",
)


def missing(name: str, param: str | None = None) -> tuple[str, str, str]:
    """A parameter that has to be there."""
    return ("missing_required_parameter", f"Missing required parameter: '{name}'.", param or name)


def wrong_type(name: str, wanted: str, got: str) -> tuple[str, str, str]:
    """A parameter of another type."""
    message = f"Invalid type for '{name}': expected {wanted}, but got {got} instead."
    return ("invalid_type", message, name)


def unknown(model: str) -> tuple[str, str, str]:
    """A model that does not exist."""
    message = f"The provided model '{model}' is not supported by the Batch API."
    return ("model_not_found", message, "body.model")


def method(value: str) -> tuple[str, str, str]:
    """A method that is not POST."""
    return ("invalid_method", f"Invalid method: '{value}'. Only 'POST' is supported.", "method")
