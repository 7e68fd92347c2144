"""Everything that can differ between providers of this API, as frozen data.

The settings of a dialect file are the fields of `Dialect`. `settings` reads the annotations: they
are not postponed. OpenAI's values are in openai.toml.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Self

from fakebatch.dialects.errors import ErrorCode, ErrorKind, ErrorTemplate
from fakebatch.dialects.settings import OneOf, address, build, duration, url_path
from fakebatch.dialects.template import Sentence, Shape
from fakebatch.durations import SECOND
from fakebatch.ids import FORMS

_VERSION = re.compile(r"/v[0-9]+(?=/)")
_WINDOW = re.compile(r"[1-9][0-9]{0,5}[a-z]")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

_FILE = "object id purpose filename bytes created_at expires_at status status_details"
_ERROR = "message type param code code_or_status status status_text request_id"
_LINE = "id custom_id request_id status_code body body.* body_text error error.*"
_BATCH = (
    "id object endpoint endpoint_once_valid model errors errors.object errors.data input_file_id "
    "completion_window status output_file_id error_file_id created_at in_progress_at expires_at "
    "finalizing_at completed_at failed_at expired_at cancelling_at cancelled_at request_counts "
    "request_counts.total request_counts.completed request_counts.failed counts_once_valid "
    "counts_to_the_end usage usage.* metadata metadata.*"
)

# Type checkers see the plain types; `settings` applies the checks.
Duration = Annotated[int, duration]
IdForm = Annotated[str, Sentence(*FORMS)]
ErrorShape = Annotated[str, Shape(_ERROR)]
LineShape = Annotated[str, Shape(_LINE)]
KnownKind = Annotated[ErrorKind, OneOf(*ErrorKind)]
KnownCode = Annotated[ErrorCode, OneOf(*ErrorCode)]
UnfinishedCode = Annotated[str, OneOf("batch_expired", "batch_cancelled", "request_timeout")]
BatchStatus = Annotated[
    str,
    OneOf(
        *("validating", "failed", "in_progress", "finalizing"),
        *("completed", "expired", "cancelling", "cancelled"),
    ),
]
OperationName = Annotated[
    str,
    OneOf(
        *("files.create", "files.list", "files.retrieve", "files.delete", "files.content"),
        *("uploads.create", "uploads.parts.create", "uploads.complete", "uploads.cancel"),
        *("batches.create", "batches.list", "batches.retrieve", "batches.cancel"),
        *("chat.completions.create", "responses.create", "completions.create"),
        *("embeddings.create", "moderations.create", "models.list", "models.retrieve"),
    ),
]


@dataclass(frozen=True, slots=True)
class Window:
    """What `completion_window` may be: a whole number and a unit, between two bounds."""

    units: str
    """Letters out of d, h, m, s."""
    least: str
    most: str
    usual: str
    """That of a call which names none, and of a batch that fails for a wrong one."""
    refused: bool
    """Whether a call with a wrong one is refused; otherwise its batch fails."""
    ends: bool
    """Whether the batch expires at the end of its window."""

    def __post_init__(self) -> None:
        bounds = (self.least, self.most, self.usual)
        whole = all(_WINDOW.fullmatch(bound) and bound[-1] in self.units for bound in bounds)
        if not (whole and set(self.units) <= set("dhms") and self.allows(self.usual)):
            raise ValueError(
                f"{self.known}, usually {self.usual!r}, is no range of windows in {self.units!r}",
                "Each is a whole number and one of the units, which are letters out of d, h, m, s.",
            )

    def allows(self, text: str) -> bool:
        """Whether there is such a window."""
        if not (_WINDOW.fullmatch(text) and text[-1] in self.units):
            return False
        return _length(self.least) <= _length(text) <= _length(self.most)

    def lasts(self, text: str) -> int:
        """The length of a window in microseconds; of one there is not, the usual length."""
        return _length(text if self.allows(text) else self.usual) * SECOND

    @property
    def known(self) -> str:
        """The windows there are, as an error message names them."""
        return f"'{self.least}'" if self.least == self.most else f"'{self.least}' to '{self.most}'"


def _length(window: str) -> int:
    """The length of a window such as `24h` in seconds."""
    return int(window[:-1]) * _UNITS[window[-1]]


@dataclass(frozen=True, slots=True)
class Shapes:
    """The JSON objects of the wire, as `template` reads them."""

    batch: Annotated[str, Shape(_BATCH, needs="id")]
    """`endpoint_once_valid` and `counts_once_valid` are null while the batch is validated; in
    `counts_to_the_end` lines that never ran count as failed."""
    file: Annotated[str, Shape(_FILE, needs="id")]
    upload: Annotated[str, Shape(f"{_FILE} file file.*")]
    """The answer to an upload; empty: as `file`, which it may also show as a whole."""
    deleted: Annotated[str, Shape("object deleted id")]
    """The answer to the deletion of a file."""
    entry: Annotated[str, Shape("code message param line")]
    """One entry of `batch.errors`."""
    error: ErrorShape
    """The body of an error; `code_or_status` is the status as a string where there is no code."""
    error_of_files: ErrorShape
    """The same where `/files` answers; empty: as `error`."""
    answered: LineShape
    """The result line of a request that succeeded; `body_text` is the body as a JSON string."""
    failed: LineShape
    """The result line of a request that got an HTTP error; empty: as `answered`."""
    lost: LineShape
    """The result line of a request that never ran; `error` has `code` and `message`."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Forms of ids: `fakebatch.ids` has what may stand in braces."""

    batch: IdForm
    file: IdForm
    output: IdForm
    """An output file; empty: as `file`."""
    errors: IdForm
    """An error file; empty: as `file`."""
    line: IdForm
    request: IdForm
    """The `request_id` of a result line."""
    call: IdForm
    """The `x-request-id` of an HTTP response."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is asked for and answered."""

    shape: Annotated[str, Shape("object data data_or_null first_id last_id has_more next")]
    """`next` is where the next page begins, or null; `data_or_null` is null where it is empty."""
    cursor: str
    """The parameter that says where a page begins; empty: everything is on one page."""
    usual: int
    """Objects on a page where a call does not say."""
    most: int


@dataclass(frozen=True, slots=True)
class FileRules:
    """What becomes of an upload."""

    statuses: Mapping[str, int]
    """Status by status, the second after the upload at which it begins. Only in the last is the
    file good for a batch."""
    extensions: tuple[str, ...]
    """How the name of a batch file must end; empty: any name will do."""
    renames: bool
    """Whether a second file of the same name is called `name (1).jsonl`."""

    def __post_init__(self) -> None:
        begins = [*self.statuses.values()]
        if begins[:1] != [0] or begins != sorted(begins):
            raise ValueError(
                f"statuses = {dict(self.statuses)} are no times in order",
                "The first begins at second 0; the last is that of a file that is good.",
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service accepts. Sizes in bytes, times in seconds."""

    batch_lines: int
    batch_bytes: int
    batch_inputs: int
    """Inputs of all requests for embeddings in a batch."""
    batch_files: int | None
    """Files with the purpose `batch` that may exist at once."""
    file_bytes: int
    upload_bytes: int
    part_bytes: int
    creates_per_hour: int
    uploads_per_minute: int | None
    """1,000 are documented. Off by default: here an upload takes no time, so that a client which
    could never send that many a minute would meet it."""
    enqueued_tokens: int | None
    """Prompt tokens of one model in all its batches that have not ended: 90,000 for gpt-4o in
    tier 1, 2,000,000 for gpt-4o-mini in another. Off by default: it depends on the account."""
    enqueued_release: int
    """Seconds after its end for which a batch still counts."""
    metadata_pairs: int
    metadata_key: int
    metadata_value: int
    expiry_least: int
    """Least seconds of `expires_after` and `output_expires_after`."""
    expiry_most: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the service takes for what no schedule decides."""

    cancelling: Duration
    expiring: Duration
    late: Duration
    """How long after `expires_at` the expiry begins."""
    keeps_batch_files: Duration | None
    keeps_uploads: Duration
    """How long an upload takes parts."""
    webhook_retry: Duration
    """How long until the second attempt of a webhook; each further one waits twice as long."""
    webhook_lives: Duration
    """For how long it is attempted."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Settings that differ for one reason, and how that is known."""

    what: str
    evidence: Annotated[str, OneOf("documented", "observed", "inferred")]
    """By the vendor; by somebody who recorded it or read the server's source; by nobody."""
    source: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one provider says and allows."""

    name: str
    title: str
    base_urls: tuple[Annotated[str, address], ...]
    """A host may begin with `*.`; a query names parameters that a request has to carry."""
    endpoints: tuple[Annotated[str, url_path], ...]
    """Of batches; the first is that of a call which need not name one."""
    purposes: tuple[str, ...]
    """Of files that may be uploaded."""
    snapshots: Mapping[str, str]
    """The dated model that answers for an alias."""
    errors: Mapping[KnownKind, ErrorTemplate]
    """Why a call is refused."""
    batch_errors: Mapping[KnownCode, ErrorTemplate]
    """Why validation fails a batch."""
    unfinished_line_errors: Mapping[UnfinishedCode, str]
    """What the error file says of a line that never ran, by the code of its error."""
    line_errors: Mapping[Annotated[int, OneOf(*range(400, 600))], ErrorTemplate]
    """What a line's HTTP error says, by status, where the test does not say it."""
    unimplemented_paths: frozenset[str]
    """First path segments that the provider serves and fakebatch does not."""
    headers: Mapping[str, Annotated[str, Sentence("request_id", "milliseconds")]]
    """Of every response; `{request_id}` and `{milliseconds}` are filled in."""
    webhook_headers: Mapping[str, str]
    """Of every webhook."""
    auth: Mapping[str, str]
    """Headers that may bring the key, each with the scheme before it, or none."""
    environment: tuple[str, ...]
    """Variables that clients read a key from."""
    required: tuple[Annotated[str, OneOf("input_file_id", "endpoint", "completion_window")], ...]
    """What a call that creates a batch has to name."""
    cancels: tuple[BatchStatus, ...]
    """In which statuses a cancel is answered with the batch; in others it is refused."""
    window: Window
    shapes: Shapes
    ids: Ids
    batches_list: Listing
    files_list: Listing
    files: FileRules
    limits: Limits
    pace: Pace
    batch_models: tuple[str, ...]
    """The models that a batch may ask; empty: all."""
    answers: Mapping[OperationName, int]
    """The HTTP status of a success that is not 200, by operation."""
    statuses: Mapping[BatchStatus, str]
    """What the wire calls a status that has another name there."""
    ignored_errors: frozenset[KnownCode]
    """Of `batch_errors`, what validation accepts."""
    always_written_files: frozenset[Annotated[str, OneOf("output", "errors")]]
    """Result files, `output` or `errors`, that a completed batch has even where they are empty."""
    refuses_missing_input: bool
    """Whether a create call with an unknown input file is refused; otherwise its batch fails."""
    line_keys: tuple[Annotated[str, OneOf("custom_id", "method", "url", "body")], ...]
    """What a line has to have; without `method` and `url` it is a POST to the batch's endpoint."""
    skips_bad_lines: bool
    """Whether a batch runs without its bad lines, and only reports them."""
    model_field: str
    """Where a call that creates a batch may name the model of every line."""
    deleting_field: str
    """The field of such a call which, unless it is false, deletes the input file at the end."""
    results_purpose: str
    """The purpose of result files."""
    results_url: Annotated[str, Sentence("base", "id", "signature")]
    """The address of a result file, where a batch shows addresses in place of ids; made of
    `{base}`, `{id}` and `{signature}`. Downloading from there needs no key."""
    unsupported: Mapping[str, str]
    """Fields of a create call that fakebatch does not emulate, and why."""
    facts: tuple[Fact, ...] = ()
    """What differs from the dialect it is like, and how that is known."""
    unknown: tuple[str, ...] = ()
    """What nobody has shown; there the value is OpenAI's."""
    left_out: tuple[str, ...] = ()
    """What is known, and not emulated."""

    def __post_init__(self) -> None:
        for name in ("base_urls", "endpoints", "purposes"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty", "A provider has at least one.")

    def set(self, **changes: Any) -> Self:
        """The same with some settings changed, as a dialect file changes them.

        Raises:
            UsageError: there is no such setting, or its value has another type.
        """
        return build(type(self), changes, f"Dialect {self.name!r}", like=self)

    def snapshot(self, model: str) -> str:
        """The dated model that answers for `model`."""
        return self.snapshots.get(model, model)


@lru_cache  # a large batch asks it of each of its lines
def canonical(endpoint: str) -> str:
    """What an endpoint is called whichever way it is spelt: `/v4/x` and `/x` are `/v1/x`."""
    return "/v1" + _VERSION.sub("", endpoint, count=1)
