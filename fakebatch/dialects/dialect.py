"""Everything that differs between providers of this API, as frozen data.

The fields of `Dialect` are the settings of a dialect file; OpenAI's values are in openai.toml.
`settings` reads the annotations at run time, so they must not be strings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args

from fakebatch.dialects.errors import ErrorCode, ErrorKind, ErrorTemplate
from fakebatch.dialects.settings import (
    OneOf,
    address,
    amount,
    build,
    duration,
    pattern,
    url_path,
)
from fakebatch.dialects.template import Sentence, Shape
from fakebatch.durations import SECOND
from fakebatch.ids import FORMS

_VERSION = re.compile(r"/v[0-9]+(?=/)")
_WINDOW = re.compile(r"[1-9][0-9]{0,5}[a-z]")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

_FILE = "object id purpose filename bytes created_at expires_at status status_details"
_ERROR = "message type param code code_or_status status status_text request_id"
_LINE = "id custom_id batch_id request_id status_code body body.* body_text error error.*"
_BATCH = (
    "id object endpoint endpoint_once_valid model errors errors.object errors.data input_file_id "
    "completion_window status output_file_id error_file_id created_at in_progress_at expires_at "
    "finalizing_at completed_at failed_at expired_at cancelling_at cancelled_at request_counts "
    "request_counts.total request_counts.completed request_counts.failed counts_once_valid "
    "counts_to_the_end usage usage.* metadata metadata.*"
)

ActiveStatus = Literal["validating", "in_progress", "finalizing", "cancelling"]
"""The statuses of a batch that are not final."""

BatchStatus = Literal[ActiveStatus, "failed", "completed", "expired", "cancelled"]

OperationName = Literal[
    "files.create",
    "files.list",
    "files.retrieve",
    "files.delete",
    "files.content",
    "uploads.create",
    "uploads.parts.create",
    "uploads.complete",
    "uploads.cancel",
    "batches.create",
    "batches.list",
    "batches.retrieve",
    "batches.cancel",
    "chat.completions.create",
    "responses.create",
    "embeddings.create",
    "completions.create",
    "moderations.create",
    "models.list",
    "models.retrieve",
]
"""The operations of the API, in the names of the SDK."""
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)

# Type checkers see the plain types; `settings` applies the checks.
Duration = Annotated[int, duration]
Amount = Annotated[int, amount]
IdForm = Annotated[str, Sentence(*FORMS)]
ErrorShape = Annotated[str, Shape(_ERROR)]
LineShape = Annotated[str, Shape(_LINE)]
KnownKind = Annotated[ErrorKind, OneOf(*ErrorKind)]
KnownCode = Annotated[ErrorCode, OneOf(*ErrorCode)]
UnfinishedCode = Annotated[str, OneOf("batch_expired", "batch_cancelled", "request_timeout")]
KnownStatus = Annotated[str, OneOf(*get_args(BatchStatus))]
KnownOperation = Annotated[str, OneOf(*OPERATIONS)]


@dataclass(frozen=True, slots=True)
class Window:
    """The values of `completion_window`: a whole number and a unit, between two bounds."""

    units: str
    """Some of the letters d, h, m and s."""
    least: str
    most: str
    usual: str
    """The window of a call without one, and of a batch that fails because of a wrong one."""
    refused: bool
    """Whether a call with a wrong window gets an error; otherwise its batch fails."""
    ends: bool
    """Whether the batch expires at the end of its window."""

    def __post_init__(self) -> None:
        bounds = (self.least, self.most, self.usual)
        whole = all(_WINDOW.fullmatch(bound) and bound[-1] in self.units for bound in bounds)
        if not (whole and set(self.units) <= set("dhms") and self.allows(self.usual)):
            raise ValueError(
                f"{self.known}, usually {self.usual!r}, is not a range in {self.units!r}",
                "A window is a whole number and one of the units, which are some of d, h, m and s.",
            )

    def allows(self, text: str) -> bool:
        """Whether a window is valid."""
        if not (_WINDOW.fullmatch(text) and text[-1] in self.units):
            return False
        return _length(self.least) <= _length(text) <= _length(self.most)

    def lasts(self, text: str) -> int:
        """The length of a window in microseconds; of one there is not, the usual length."""
        return _length(text if self.allows(text) else self.usual) * SECOND

    @property
    def known(self) -> str:
        """The valid windows, for an error message."""
        return f"'{self.least}'" if self.least == self.most else f"'{self.least}' to '{self.most}'"


def _length(window: str) -> int:
    """The length of a window such as `24h` in seconds."""
    return int(window[:-1]) * _UNITS[window[-1]]


@dataclass(frozen=True, slots=True)
class Shapes:
    """The JSON objects on the wire, in the notation of `template`."""

    batch: Annotated[str, Shape(_BATCH, needs="id")]
    """`endpoint_once_valid` and `counts_once_valid` are null during validation;
    `counts_to_the_end` counts lines that never ran as failed."""
    file: Annotated[str, Shape(_FILE, needs="id")]
    upload: Annotated[str, Shape(f"{_FILE} file file.*")]
    """The response to an upload; if empty, `file`. The field `file` is the whole file object."""
    deleted: Annotated[str, Shape("object deleted id")]
    """The response to the deletion of a file."""
    entry: Annotated[str, Shape("code message param line")]
    """One entry of `batch.errors`."""
    error: ErrorShape
    """The body of an error; `code_or_status` is the code or else the status as a string."""
    error_of_files: ErrorShape
    """The same for requests to `/files`; if empty, `error`."""
    answered: LineShape
    """The result line of a request that succeeded; `body_text` is the body as a JSON string."""
    failed: LineShape
    """The result line of a request that got an HTTP error; if empty, `answered`."""
    lost: LineShape
    """The result line of a request that never ran; `error` has `code` and `message`."""
    added: Annotated[str, Shape("custom_id request_id")]
    """What the provider adds to the body of a default reply. In a direct call both fields are the
    id of the request."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The forms of ids; `fakebatch.ids.FORMS` has the names in braces."""

    batch: IdForm
    file: IdForm
    output: IdForm
    """Of an output file; if empty, `file`."""
    errors: IdForm
    """Of an error file; if empty, `file`."""
    line: IdForm
    request: IdForm
    """The `request_id` of a result line."""
    call: IdForm
    """The `x-request-id` of an HTTP response."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The parameters and the response of a list operation."""

    shape: Annotated[str, Shape("object data data_or_null first_id last_id has_more next")]
    """`next` is the cursor of the next page, or null; `data_or_null` is null if it is empty."""
    cursor: str
    """The parameter with the cursor of a page; if empty, there is a single page."""
    usual: int
    """The number of objects on a page if a call has no `limit`."""
    most: int


@dataclass(frozen=True, slots=True)
class FileRules:
    """How uploads are treated."""

    statuses: Mapping[str, int]
    """The statuses of a file, with the second after its upload at which each begins. A batch can
    only use a file in the last one."""
    extensions: tuple[str, ...]
    """The endings of names that a batch file may have; if empty, any name will do."""
    renames: bool
    """Whether a second file of the same name is called `name (1).jsonl`."""
    content_type: str
    """The `content-type` of a download."""

    def __post_init__(self) -> None:
        begins = [*self.statuses.values()]
        if begins[:1] != [0] or begins != sorted(begins):
            raise ValueError(
                f"statuses = {dict(self.statuses)} are not in the order of time",
                "The first begins at second 0; the last is that of a file that is ready.",
            )


@dataclass(frozen=True, slots=True)
class ResultLines:
    """How result lines are written."""

    compact: bool
    """Whether there are no blanks after the commas and colons of JSON."""
    raw: bool
    """Whether characters beyond ASCII are written as UTF-8; otherwise they are escaped."""
    in_order: bool
    """Whether they are in the order of the input; otherwise in that in which they finished."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the service. Sizes are in bytes, times in seconds."""

    batch_lines: Amount
    batch_bytes: Amount
    batch_inputs: Amount
    """Inputs of all requests for embeddings in a batch."""
    batch_files: Amount | None
    """Files with the purpose `batch` that may exist at once."""
    file_bytes: Amount
    upload_bytes: Amount
    part_bytes: Amount
    creates_per_hour: Amount
    uploads_per_minute: Amount | None
    """1,000 are documented. Off by default, because here an upload takes no time: clients that are
    slower in reality would run into it."""
    enqueued_tokens: Amount | None
    """Prompt tokens of one model in all its batches that have not ended: 90,000 for gpt-4o in
    tier 1, 2,000,000 for gpt-4o-mini in another. Off by default: it depends on the account."""
    enqueued_release: Amount
    """How long a batch still counts after its end, in seconds."""
    metadata_pairs: Amount
    metadata_key: Amount
    metadata_value: Amount
    expiry_least: Amount
    """The least value of `expires_after.seconds` and `output_expires_after.seconds`."""
    expiry_most: Amount


@dataclass(frozen=True, slots=True)
class Pace:
    """The durations of the service that no schedule decides."""

    cancelling: Duration
    expiring: Duration
    late: Duration
    """How long after `expires_at` the expiry begins."""
    keeps_batch_files: Duration | None
    keeps_uploads: Duration
    """How long an upload accepts parts."""
    webhook_retry: Duration
    """The time until the second attempt of a webhook; it doubles with each further one."""
    webhook_lives: Duration
    """How long attempts go on."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Settings that differ together, and the evidence for it."""

    what: str
    evidence: Annotated[str, OneOf("documented", "observed", "inferred")]
    """Documented by the vendor; observed in a recording or in the server's source; or inferred."""
    source: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one provider accepts and answers."""

    name: str
    title: str
    base_urls: tuple[Annotated[str, address], ...]
    """A host may begin with `*.`; requests must have the parameters of a query."""
    endpoints: tuple[Annotated[str, url_path], ...]
    """The endpoints of batches; the first is used if a call may leave it out."""
    aliases: Mapping[str, str]
    """The endpoint of OpenAI that an endpoint works like, where more than the version differs."""
    trial_replies: Mapping[str, str]
    """The text of every default reply of an endpoint for trial runs, by endpoint."""
    input_decides: frozenset[str]
    """Endpoints that take each other's lines: the url of the first line holds for the batch."""
    purposes: tuple[str, ...]
    """The purposes of files that can be uploaded."""
    private_purposes: tuple[str, ...]
    """The purposes of files whose content cannot be downloaded."""
    snapshots: Mapping[str, str]
    """The dated model by alias."""
    errors: Mapping[KnownKind, ErrorTemplate]
    """The errors of requests."""
    batch_errors: Mapping[KnownCode, ErrorTemplate]
    """The errors of validation."""
    unfinished_line_errors: Mapping[UnfinishedCode, str]
    """The messages of lines that never ran, by the code of the error."""
    line_errors: Mapping[Annotated[int, OneOf(*range(400, 600))], ErrorTemplate]
    """The default error of a line that fails with an HTTP status, by status."""
    unimplemented_paths: frozenset[str]
    """First path segments that the provider serves and fakebatch does not."""
    direct_paths: tuple[Annotated[str, url_path], ...]
    """Further paths of direct calls, with the model: `/deployments/{model}/embeddings`."""
    headers: Mapping[str, Annotated[str, Sentence("request_id", "milliseconds")]]
    """The headers of every response; `{request_id}` and `{milliseconds}` are replaced."""
    webhook_headers: Mapping[str, str]
    """The headers of every webhook."""
    auth: Mapping[str, str]
    """The headers that may have the API key, each with the scheme before it, or none."""
    environment: tuple[str, ...]
    """The environment variables from which clients read a key."""
    required: tuple[Annotated[str, OneOf("input_file_id", "endpoint", "completion_window")], ...]
    """The required parameters of a create call."""
    cancels: tuple[KnownStatus, ...]
    """The statuses in which a batch can be cancelled; in others a cancel gets an error."""
    window: Window
    shapes: Shapes
    ids: Ids
    batches_list: Listing
    files_list: Listing
    files: FileRules
    result_lines: ResultLines
    limits: Limits
    pace: Pace
    body_checks: Annotated[str, OneOf("all", "basics", "none")]
    """The bodies of requests that get an error: "all" that OpenAI refuses, "basics" (messages that
    are no list of objects with roles, or empty; numbers that are lists or objects) or "none". A
    dialect file without it has "basics", whatever it is `like`."""
    batch_models: tuple[str, ...]
    """The models that a batch may use; if empty, all."""
    answers: Mapping[KnownOperation, int]
    """The HTTP status of a success that is not 200, by operation."""
    statuses: Mapping[KnownStatus, str]
    """The names of statuses on the wire, where they differ."""
    ignored_errors: frozenset[KnownCode]
    """The kinds of `batch_errors` that this provider does not check."""
    always_written_files: frozenset[Annotated[str, OneOf("output", "errors")]]
    """The result files, `output` or `errors`, that a completed batch has even if they are empty."""
    refuses_missing_input: bool
    """Whether a create call with an unknown input file gets an error; otherwise its batch fails."""
    input_file_ids: Annotated[str, pattern]
    """A regular expression for `input_file_id`, which is refused if it neither matches nor belongs
    to a file; if empty, any will do."""
    idempotency_key: str
    """The parameter or header of a create call with a key: a second call with the same key returns
    the same batch, or an error if other parameters differ. Empty if there is none."""
    line_keys: tuple[Annotated[str, OneOf("custom_id", "method", "url", "body")], ...]
    """The required keys of a line; by default it is a POST to the endpoint of the batch."""
    skips_bad_lines: bool
    """Whether a batch with bad lines runs without them and lists them in `errors`."""
    model_field: str
    """The parameter of a create call that names the model of every line; empty if there is none."""
    deleting_field: str
    """The parameter of a create call that deletes the input file when the batch ends."""
    results_purpose: str
    """The purpose of result files."""
    results_url: Annotated[str, Sentence("base", "id", "signature")]
    """The URL of a result file, if batches show URLs in place of ids; made of `{base}`, `{id}` and
    `{signature}`. A download from there needs no key."""
    unsupported: Mapping[str, str]
    """Parameters of a create call that fakebatch does not emulate, with the reason."""
    facts: tuple[Fact, ...] = ()
    """What differs from the dialect that it is `like`, with the evidence."""
    unknown: tuple[str, ...] = ()
    """What is unknown about the provider; there OpenAI's value is used."""
    left_out: tuple[str, ...] = ()
    """What is known but not emulated."""

    def __post_init__(self) -> None:
        for name in ("base_urls", "endpoints", "purposes"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty", "It needs at least one entry.")

    def set(self, **changes: Any) -> Self:
        """This dialect with some settings changed, as a dialect file changes them.

        Raises:
            UsageError: there is no such setting, or its value is invalid.
        """
        return build(type(self), changes, f"Dialect {self.name!r}", like=self)


@lru_cache  # called for each line of a batch
def canonical(endpoint: str) -> str:
    """The OpenAI path of an endpoint: `/v1/x` for `/v4/x` and for `/x`."""
    return "/v1" + _VERSION.sub("", endpoint, count=1)
