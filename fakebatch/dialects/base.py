"""What can differ between providers of this API: the knobs, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from fakebatch.durations import SECOND

DAY = 86_400 * SECOND


class Reason(StrEnum):
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
    FILE_NOT_READY = auto()
    UPLOAD_OVER = auto()
    NO_SUCH_PART = auto()
    PART_TWICE = auto()
    OTHER_LENGTH = auto()
    OTHER_DIGEST = auto()


class Flaw(StrEnum):
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


class Refusal(Exception):  # an answer, no error of ours
    """A call the service refuses: a reason and its facts. The dialect has the words."""

    def __init__(self, reason: Reason, **facts: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Words:
    """What the provider says: templates, filled with the facts of the case."""

    message: str
    code: str | None = None
    param: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

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
class Pace:
    """How long the service takes for what no schedule decides, in microseconds."""

    cancelling: int = 606 * SECOND
    expiring: int = 606 * SECOND
    late: int = SECOND
    """How long after `expires_at` the expiry begins."""
    keeps_batch_files: int = 30 * DAY
    keeps_uploads: int = 3_600 * SECOND
    """How long an upload takes parts."""
    webhook_retry: int = 5 * SECOND
    """How long until the second attempt of a webhook; each further one waits twice as long."""
    webhook_lives: int = 3 * DAY
    """For how long it is attempted."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider: OpenAI, or OpenAI plus overrides."""

    name: str
    base_urls: tuple[str, ...]
    endpoints: tuple[str, ...]
    windows: Mapping[str, int]
    """What `completion_window` may be, with its length in seconds."""
    purposes: tuple[str, ...]
    snapshots: Mapping[str, str]
    """The dated model that answers for an alias."""
    refusals: Mapping[Reason, Words]
    flaws: Mapping[Flaw, Words]
    lost_lines: Mapping[str, str]
    """What the error file says of a line that never ran, by the code of its error."""
    line_errors: Mapping[int, Words]
    """What a line's HTTP error says, by status, where the test does not say it."""
    elsewhere: frozenset[str]
    """First path segments that the provider serves and fakebatch does not."""
    headers: Mapping[str, str]
    webhook_headers: Mapping[str, str]
    limits: Limits = Limits()
    pace: Pace = Pace()

    def window(self, text: str) -> int:
        """The length of a completion window, in microseconds."""
        return self.windows[text] * SECOND

    def snapshot(self, model: str) -> str:
        """The dated model that answers for `model`."""
        return self.snapshots.get(model, model)
