"""The input file of a batch: finds its request lines and validates them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic_core import from_json, to_json

from fakebatch.bodies import BodyError, judge_of
from fakebatch.dialects import Dialect, ErrorCode, canonical
from fakebatch.request_lines import JSON_TYPES, RequestLine, json_type

LINE_KEYS: dict[str, type] = {"custom_id": str, "method": str, "url": str, "body": dict}
"""The keys of a request line and their types."""

REQUIRED_PARAMS = {
    "/v1/chat/completions": ("messages",),
    "/v1/responses": ("input", "prompt", "conversation", "previous_response_id"),
    "/v1/embeddings": ("input",),
    "/v1/completions": ("prompt",),
    "/v1/moderations": ("input",),
    "/v1/images/generations": ("prompt",),
    "/v1/images/edits": ("prompt",),
    "/v1/videos": ("prompt",),
}
"""Body parameters of which one is required; if none is there, the error names the first."""

USUAL_MODELS = {
    "/v1/embeddings": "text-embedding-3-small",
    "/v1/completions": "gpt-3.5-turbo-instruct",
    "/v1/moderations": "omni-moderation-latest",
    "/v1/images/generations": "gpt-image-1",
    "/v1/images/edits": "gpt-image-1",
    "/v1/videos": "sora-2",
}
"""A model of each endpoint that does not serve `gpt-6-luna`."""

_PLAUSIBLE_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,255}")
_BRACE = ord("}")

# only the keys are worth caching: other strings seldom recur, and caching them costs 50 %
parsed: Callable[[bytes], Any] = partial(from_json, allow_inf_nan=False, cache_strings="keys")
"""Parses JSON as strictly as the service does; raises ValueError.

No NaN, no byte order mark, no lone surrogate; of duplicate keys the last wins."""


def has_overflow(value: Any) -> bool:
    """Whether a parsed value has a number beyond the range of floats, such as 1e999."""
    return to_json(value, inf_nan_mode="null") != to_json(value, inf_nan_mode="constants")


def parsed_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None if it is not JSON, or not an object."""
    try:
        value = parsed(raw)
    except ValueError:
        return None
    return value if value.__class__ is dict else None


def looks_like_jsonl(content: bytes) -> bool:
    """Whether an upload is accepted as batch input: its first line is a JSON object.

    Its keys, and later lines, are checked only when a batch is validated (observed Aug 2025).
    """
    end = content.find(b"\n")
    return parsed_object(content if end < 0 else content[:end]) is not None


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the request lines of a file are: offsets, not objects. Blank lines are left out."""

    content: bytes
    starts: array[int]
    ends: array[int]
    numbers: array[int]
    """Line numbers in the file, from 1."""
    url: str = ""
    """The endpoint of the lines, for those without a `url`."""
    model: str = ""
    """If not empty, it replaces the model of every line."""

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, index: int) -> bytes:
        """The bytes of a request line, without its line end."""
        return self.content[self.starts[index] : self.ends[index]]

    def request(self, index: int) -> RequestLine:
        """A valid request line, parsed."""
        line = parsed(self.raw(index))
        body = {**line["body"], "model": self.model} if self.model else line["body"]
        return RequestLine(index, line["custom_id"], line.get("url") or self.url, body)

    def subset(self, indices: Sequence[int]) -> Lines:
        """The lines with these indices."""
        columns = self.starts, self.ends, self.numbers
        starts, ends, numbers = (array("Q", map(each.__getitem__, indices)) for each in columns)
        return replace(self, starts=starts, ends=ends, numbers=numbers)


def find_lines(content: bytes) -> Lines:
    r"""Split a file at `\n` alone: a JSON string may contain U+2028, U+2029 and U+0085."""
    starts, ends, numbers = array("Q"), array("Q"), array("Q")
    start, number, size = 0, 0, len(content)
    while start < size:
        end = content.find(b"\n", start)
        end = size if end < 0 else end
        number += 1
        # a line that ends in "}" is not blank; only the others are copied to find out
        if end > start and (content[end - 1] == _BRACE or content[start:end].strip()):
            starts.append(start)
            ends.append(end)
            numbers.append(number)
        start = end + 1
    return Lines(content, starts, ends, numbers)


NO_LINES = find_lines(b"")


@dataclass(frozen=True, slots=True)
class BatchError:
    """One entry of `batch.errors`, with the number of the line (from 1) if it is about one."""

    code: ErrorCode
    values: Mapping[str, Any]
    """The values for the message of the provider."""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """The request lines of an input file, and the errors in it.

    If the batch runs, bad lines are left out.
    """

    lines: Lines
    errors: tuple[BatchError, ...]
    model: str | None
    """The model of the first request."""
    fails: bool
    """Whether the batch fails; if not, the errors are about lines that were left out."""
    bad_bodies: Mapping[int, BodyError]
    """The lines whose body the service refuses when it runs them, by index."""


def validate(
    content: bytes, endpoint: str, dialect: Dialect, models: frozenset[str] | None, model: str = ""
) -> Validation:
    """Validate an input file. Each bad line gives one error, in the order of the lines.

    `models` are those that exist, None if every plausible name does. `model`, if not empty,
    replaces that of every line.
    """
    lines = find_lines(content)
    if endpoint in dialect.input_decides and len(lines):
        url = (parsed_object(lines.raw(0)) or {}).get("url")
        decided = [*dialect.input_decides, *dialect.aliases.values()]
        if url in dialect.endpoints and canonical(url) in map(canonical, decided):
            endpoint = url
    lines = replace(lines, url=endpoint, model=model)
    checks = _LineChecks(lines, dialect, models)
    bad: list[BatchError] = []
    good = array("Q")
    bad_bodies: dict[int, BodyError] = {}
    for index, (start, end) in enumerate(zip(lines.starts, lines.ends, strict=True)):
        line = parsed_object(content[start:end])
        if line is None:
            bad.append(BatchError(ErrorCode.BAD_JSON, {}, lines.numbers[index]))
        elif (problem := checks.problem(line)) is not None:
            bad.append(BatchError(*problem, lines.numbers[index]))
        else:
            error = checks.body_error(line["body"])
            if error is not None:
                bad_bodies[len(good)] = error
            good.append(index)

    def exceeded(code: ErrorCode, count: int, limit: int) -> list[BatchError]:
        values = {"limit": limit, "model": checks.first_model or "requested"}
        return [BatchError(code, values)] if count > limit else []

    errors = (
        *([] if len(lines) else [BatchError(ErrorCode.EMPTY, {})]),
        *exceeded(ErrorCode.TOO_MANY_LINES, len(lines), dialect.limits.batch_lines),
        *exceeded(ErrorCode.TOO_LARGE, len(content), dialect.limits.batch_bytes),
        *bad,
        *exceeded(ErrorCode.TOO_MANY_INPUTS, checks.inputs, dialect.limits.batch_inputs),
    )
    skips = dialect.skips_bad_lines and len(good) > 0 and len(errors) == len(bad)
    fails = bool(errors) and not skips
    # if no line is bad, or all bad ones are left out, the indices are those of the good lines
    lines = lines.subset(good) if skips else lines
    return Validation(lines, errors, checks.first_model, fails, bad_bodies)


Problem = tuple[ErrorCode, dict[str, Any]] | None


class _LineChecks:
    """Checks one line after the other; remembers custom_ids, the model and numbers of inputs."""

    def __init__(self, lines: Lines, dialect: Dialect, models: frozenset[str] | None) -> None:
        self.keys, self.ignored_errors = dialect.line_keys, dialect.ignored_errors
        self.model, self.models = lines.model, models
        self.endpoint = canonical(dialect.aliases.get(lines.url, lines.url))
        self.urls = [url for url in dialect.endpoints if canonical(url) == canonical(lines.url)]
        self.required: tuple[str, ...] = REQUIRED_PARAMS.get(self.endpoint, ("model",))
        self.input_name = self.required[0]
        self.judge = judge_of(self.endpoint, dialect.body_checks)
        self.accepted: dict[str, Any] | None = None
        """The parameters beside the input of the last request that was judged and accepted."""
        self.types = list[type]()
        """The types of their values: 1 and true are equal."""
        self.custom_ids: set[str] = set()
        self.first_model: str | None = None
        self.inputs = 0

    def problem(self, line: dict[str, Any]) -> Problem:
        """The first problem of a line; None if it is valid."""
        is_usual = (  # as nearly every line is
            isinstance(line.get("custom_id"), str)
            and isinstance(line.get("body"), dict)
            and line.get("method") == "POST"
            and line.get("url") in self.urls
        )
        for name, kind in () if is_usual else LINE_KEYS.items():
            value = line.get(name)
            if value is None:
                if name in self.keys:
                    return ErrorCode.MISSING, {"name": name, "param": name}
            elif not isinstance(value, kind):
                wrong = {"name": name, "wanted": JSON_TYPES[kind], "got": json_type(value)}
                return ErrorCode.BAD_TYPE, wrong
        custom_id, url = line["custom_id"], line.get("url")
        if custom_id in self.custom_ids and ErrorCode.DUPLICATE_ID not in self.ignored_errors:
            return ErrorCode.DUPLICATE_ID, {}
        self.custom_ids.add(custom_id)
        if line.get("method") not in ("POST", None):
            return ErrorCode.BAD_METHOD, {"value": line["method"]}
        if url is not None and url not in self.urls:
            return ErrorCode.BAD_URL, {"value": url}
        return self.body_problem(line["body"])

    def body_problem(self, body: dict[str, Any]) -> Problem:
        """The first problem of the parameters of a request."""
        model = self.model or body.get("model")
        if body.get("stream") and ErrorCode.STREAMING not in self.ignored_errors:
            return ErrorCode.STREAMING, {}
        if not model:
            return ErrorCode.MODEL_REQUIRED, {}
        name = self.input_name
        if body.get(name) is None and all(body.get(other) is None for other in self.required):
            return ErrorCode.MISSING, {"name": name, "param": f"body.{name}"}
        if model != self.first_model:
            if not model_exists(model, self.models):
                return ErrorCode.UNKNOWN_MODEL, {"model": model}
            if self.first_model is None:
                self.first_model = model
            elif ErrorCode.OTHER_MODEL not in self.ignored_errors:
                return ErrorCode.OTHER_MODEL, {"model": model}
        if self.endpoint == "/v1/embeddings":
            inputs = body["input"]
            # a list of token ids is one input; in a list of strings or of lists each is one
            is_single = json_type(inputs) != "an array" or (inputs and isinstance(inputs[0], int))
            self.inputs += 1 if is_single else len(inputs)
        return None

    def body_error(self, body: dict[str, Any]) -> BodyError | None:
        """The error with which the request will fail; nearly every request has none.

        The input is taken out of the body, which is no longer needed.
        """
        if self.judge is None:
            return None
        content = body.pop(self.input_name, None)
        is_known = (
            [*map(type, body.values())] == self.types
            if body == self.accepted
            else body.keys() == {"model"} and not self.judge.not_served.fullmatch(body["model"])
        )
        if is_known and _is_plain(content, self.endpoint):
            return None
        error = self.judge.error({self.input_name: content, **body})
        if error is None:
            self.accepted, self.types = body, [*map(type, body.values())]
        return error


_CONVERSATIONS = ("/v1/chat/completions", "/v1/responses")
_PLAIN_ROLES = frozenset({"system", "developer", "user", "assistant"})
_MAX_PLAIN = 1_000_000  # a longer text may have too many tokens


def _is_plain(content: Any, endpoint: str) -> bool:
    """Whether the input of a request is valid as nearly every input is: a text, or messages."""
    if content.__class__ is str:
        return endpoint != "/v1/chat/completions" and 0 < len(content) < _MAX_PLAIN
    if content.__class__ is not list or endpoint not in _CONVERSATIONS:
        return False
    try:  # in the fastest way, because a large batch calls this for each of its lines
        for message in content:
            if (
                message["content"].__class__ is not str
                or message["role"] not in _PLAIN_ROLES
                or len(message) != 2
            ):
                return False
    except (LookupError, TypeError):
        return False
    return bool(content)


def model_exists(name: object, models: frozenset[str] | None) -> bool:
    """Whether there is a model of this name: one of these, or if it is None, any plausible one."""
    if not isinstance(name, str):
        return False
    return _PLAUSIBLE_MODEL.fullmatch(name) is not None if models is None else name in models


def request_line(
    custom_id: str,
    content: Any,
    *,
    url: str = "/v1/chat/completions",
    model: str | None = None,
    **params: Any,
) -> dict[str, Any]:
    """A request line as a dict: `json.dumps` makes it a line of an input file.

    Args:
        custom_id: its custom_id.
        content: the text of the user's message, or all messages; with other endpoints the `input`
            or `prompt` of the body.
        url: the endpoint.
        model: the model in the body; by default one that the endpoint serves.
        params: further parameters of the body, such as `temperature=0`.
    """
    endpoint = canonical(url)
    name = REQUIRED_PARAMS.get(endpoint, ("input",))[0]
    if name == "messages" and isinstance(content, str):
        content = [{"role": "user", "content": content}]
    model = model or USUAL_MODELS.get(endpoint, "gpt-6-luna")
    body = {"model": model, name: content, **params}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}
