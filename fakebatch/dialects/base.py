"""What can differ between providers of this API: the knobs, as frozen data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from functools import lru_cache

from fakebatch.dialects.facts import Fact, amended
from fakebatch.dialects.knobs import FileRules, Ids, Listing, Pace, Shapes, Window
from fakebatch.errors import UsageError

_VERSION = re.compile(r"/v[0-9]+(?=/)")


class ErrorKind(StrEnum):
    """Why a call is refused. The dialect says it in the provider's words."""

    NO_KEY = auto()
    WRONG_KEY = auto()
    NO_SUCH_FILE = auto()
    NO_SUCH_BATCH = auto()
    NO_SUCH_UPLOAD = auto()
    NO_SUCH_MODEL = auto()
    NO_MODEL = auto()
    NO_SUCH_ROUTE = auto()
    WRONG_METHOD = auto()
    NOT_JSON = auto()
    BAD_PURPOSE = auto()
    NOT_JSONL = auto()
    FILE_TOO_LARGE = auto()
    MISSING = auto()
    BAD_VALUE = auto()
    BAD_TYPE = auto()
    TOO_MANY_PROPERTIES = auto()
    KEY_TOO_LONG = auto()
    STRING_TOO_LONG = auto()
    TOO_LOW = auto()
    TOO_HIGH = auto()
    BAD_ORDER = auto()
    CANNOT_CANCEL = auto()
    TOO_MANY_BATCHES = auto()
    TOO_MANY_UPLOADS = auto()
    WRONG_PURPOSE = auto()
    NO_SUCH_INPUT = auto()
    FILE_NOT_READY = auto()
    UPLOAD_OVER = auto()
    NO_SUCH_PART = auto()
    PART_TWICE = auto()
    OTHER_LENGTH = auto()
    OTHER_DIGEST = auto()
    FILE_EMPTY = auto()
    TOO_MANY_FILES = auto()


class ErrorCode(StrEnum):
    """Why validation fails a batch. The dialect says it in the provider's words."""

    BAD_JSON = auto()
    MISSING = auto()
    BAD_TYPE = auto()
    MODEL_REQUIRED = auto()
    DUPLICATE_ID = auto()
    BAD_METHOD = auto()
    BAD_URL = auto()
    OTHER_MODEL = auto()
    UNKNOWN_MODEL = auto()
    STREAMING = auto()
    NO_INPUT_FILE = auto()
    EMPTY = auto()
    TOO_MANY_LINES = auto()
    TOO_LARGE = auto()
    TOO_MANY_INPUTS = auto()
    OVER_QUOTA = auto()
    BAD_WINDOW = auto()


class APIError(Exception):  # an answer, no error of ours
    """A call the service refuses: a kind and its facts. The dialect has the words."""

    def __init__(self, kind: ErrorKind, **facts: object) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts


@dataclass(frozen=True, slots=True)
class ErrorTemplate:
    """What the provider says: templates, filled with the facts of the case."""

    message: str
    code: str | None = None
    param: str | None = None
    status: int = 400
    type: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def message_for(self, facts: Mapping[str, object]) -> str:
        """What the provider writes in this case."""
        return self.message.format_map(facts)

    def param_for(self, facts: Mapping[str, object]) -> str | None:
        """The parameter the provider names in this case."""
        return None if self.param is None else self.param.format_map(facts)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service accepts. Sizes in bytes, times in seconds; None is without limit."""

    batch_lines: int = 50_000
    batch_bytes: int = 209_715_200
    batch_inputs: int = 50_000
    batch_files: int | None = None
    """How many files with the purpose of a batch there may be at once."""
    file_bytes: int = 512 * 1024 * 1024
    upload_bytes: int = 8 * 1024**3
    part_bytes: int = 64 * 1024 * 1024
    creates_per_hour: int = 2_000
    uploads_per_minute: int | None = None
    """1,000 are documented. Off by default: here an upload takes no time, so that a client which
    could never send that many a minute would meet it."""
    enqueued_tokens: int | None = None
    """Prompt tokens of one model in all its batches that have not ended: 90,000 for gpt-4o in
    tier 1, 2,000,000 for gpt-4o-mini in another. Off by default: it hangs on the account."""
    enqueued_release: int = 60
    """Seconds after its end for which a batch still counts."""
    metadata_pairs: int = 16
    metadata_key: int = 64
    metadata_value: int = 512
    expiry_least: int = 3_600
    """Least seconds of `expires_after` and `output_expires_after`."""
    expiry_most: int = 2_592_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider: OpenAI, or OpenAI and the facts that differ."""

    name: str
    title: str
    base_urls: tuple[str, ...]
    """A host may begin with `*.`; a query names what a request has to carry."""
    endpoints: tuple[str, ...]
    """The first is taken where a call need not name one."""
    purposes: tuple[str, ...]
    snapshots: Mapping[str, str]
    """The dated model that answers for an alias."""
    errors: Mapping[ErrorKind, ErrorTemplate]
    batch_errors: Mapping[ErrorCode, ErrorTemplate]
    unfinished_line_errors: Mapping[str, str]
    """What the error file says of a line that never ran, by the code of its error."""
    line_errors: Mapping[int, ErrorTemplate]
    """What a line's HTTP error says, by status, where the test does not say it."""
    unimplemented_paths: frozenset[str]
    """First path segments that the provider serves and fakebatch does not."""
    headers: Mapping[str, str]
    """Of every answer; `{request_id}` and `{milliseconds}` are filled in."""
    webhook_headers: Mapping[str, str]
    """Of every webhook."""
    auth: Mapping[str, str]
    """Headers that may bring the key, each with the scheme before it, or none."""
    environment: tuple[str, ...]
    """Variables that clients read a key from."""
    required: tuple[str, ...]
    """What a call that creates a batch has to say."""
    cancels: tuple[str, ...]
    """In which statuses a cancel is answered with the batch; in others it is refused."""
    window: Window
    shapes: Shapes
    ids: Ids
    batches_list: Listing
    files_list: Listing
    files: FileRules
    limits: Limits
    pace: Pace
    batch_models: tuple[str, ...] = ()
    """The models that a batch may ask; none: all."""
    answers: Mapping[str, int] = field(default_factory=dict[str, int])
    """The HTTP status of a success that is not 200, by operation."""
    statuses: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the wire calls a status that has another name there."""
    ignored_errors: frozenset[ErrorCode] = frozenset()
    """What validation does not mind."""
    always_written_files: frozenset[str] = frozenset()
    """Which result files ("output", "errors") a completed batch has even where they are empty."""
    refuses_missing_input: bool = False
    """Whether a create call with an unknown input file is refused; else its batch fails later."""
    line_keys: tuple[str, ...] = ("custom_id", "method", "url", "body")
    """What a line has to have; without `method` and `url` it is a POST to the batch's endpoint."""
    skips_bad_lines: bool = False
    """Whether a batch runs without its bad lines, and only reports them."""
    model_field: str = ""
    """Where a call that creates a batch may name the model of every line."""
    deleting_field: str = ""
    """What in such a call, unless it is false, lets the input file go with the end."""
    results_purpose: str = "batch_output"
    results_url: str = ""
    """Where result files are, if a batch names addresses in place of ids: of `{base}`, `{id}` and
    `{signature}`; with that, nobody needs a key."""
    unsupported: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields of a call that nobody emulates, and why."""
    facts: tuple[Fact, ...] = ()
    """What differs from OpenAI, and how that is known."""
    unknown: tuple[str, ...] = ()
    """What nobody has shown; there the value is OpenAI's."""
    left_out: tuple[str, ...] = ()
    """What is known, and not emulated."""

    def derive(
        self,
        name: str,
        title: str,
        *facts: Fact,
        unknown: tuple[str, ...] = (),
        left_out: tuple[str, ...] = (),
    ) -> Dialect:
        """Another provider: this one, and what differs.

        Raises:
            UsageError: there is no such knob.
        """
        own = replace(self, name=name, title=title, unknown=unknown, left_out=left_out)
        for fact in facts:
            own = own.set(**fact.knobs)
        return replace(own, facts=facts)

    def set(self, **knobs: object) -> Dialect:
        """The same with some knobs set; groups and tables of words entry by entry.

        Raises:
            UsageError: there is no such knob.
        """
        try:
            return amended(self, knobs)
        except KeyError as error:
            name, known = error.args
            raise UsageError(
                f"A dialect has no {name!r}.",
                f"There it has {known}.",
                "Write for example limits={'batch_lines': 10}; docs/dialects.md has them all.",
            ) from None

    def snapshot(self, model: str) -> str:
        """The dated model that answers for `model`."""
        return self.snapshots.get(model, model)


@lru_cache  # a large batch asks it of each of its lines
def canonical(endpoint: str) -> str:
    """What an endpoint is called whichever way it is spelt: `/v4/x` and `/x` are `/v1/x`."""
    return "/v1" + _VERSION.sub("", endpoint, count=1)
