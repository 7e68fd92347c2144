"""The errors of requests and batches, by kind; their messages are settings of a dialect.

`settings` reads the annotations at run time, so they must not be strings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto


class ErrorKind(StrEnum):
    """Why a request is answered with an error."""

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
    NOT_JSON_TYPE = auto()
    NOT_MULTIPART = auto()
    BAD_MULTIPART = auto()
    NOT_DOWNLOADABLE = auto()
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
    BAD_INPUT_ID = auto()
    OTHER_PARAMS = auto()
    FILE_NOT_READY = auto()
    UPLOAD_OVER = auto()
    NO_SUCH_PART = auto()
    PART_TWICE = auto()
    OTHER_LENGTH = auto()
    OTHER_DIGEST = auto()
    FILE_EMPTY = auto()
    TOO_MANY_FILES = auto()


class ErrorCode(StrEnum):
    """Why a batch fails validation."""

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


class APIError(Exception):  # it becomes a response
    """An error response: its kind, and the values for its message."""

    def __init__(self, kind: ErrorKind, **values: object) -> None:
        super().__init__(kind)
        self.kind = kind
        self.values = values


@dataclass(frozen=True, slots=True)
class ErrorTemplate:
    """An error of the provider; names in braces in `message` and `param` are replaced by values."""

    message: str
    code: str | None = None
    param: str | None = None
    status: int = 400
    type: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
