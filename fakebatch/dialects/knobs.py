"""The knobs that come in groups. Their defaults are OpenAI's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fakebatch.durations import SECOND, microseconds

DAY = 86_400 * SECOND

_WHOLE = re.compile(r"[1-9][0-9]{0,5}[a-z]")


@dataclass(frozen=True, slots=True)
class Window:
    """What `completion_window` may be: a whole number and a unit, between two bounds."""

    units: str = "h"
    """Letters out of d, h, m, s."""
    least: str = "24h"
    most: str = "24h"
    usual: str = "24h"
    """Counts where a call names none, and where one that is wrong fails the batch only later."""
    refused: bool = True
    """Whether a wrong one is refused at once; else the batch fails."""
    ends: bool = True
    """Whether the batch expires at its end."""

    def allows(self, text: str) -> bool:
        """Whether there is such a window."""
        if not (_WHOLE.fullmatch(text) and text[-1] in self.units):
            return False
        return microseconds(self.least) <= microseconds(text) <= microseconds(self.most)

    def lasts(self, text: str) -> int:
        """The length of a window in microseconds; of one there is not, the usual length."""
        return microseconds(text if self.allows(text) else self.usual)

    @property
    def known(self) -> str:
        """What may be asked for, as a refusal names it."""
        return f"'{self.least}'" if self.least == self.most else f"'{self.least}' to '{self.most}'"


@dataclass(frozen=True, slots=True)
class Shapes:
    """The objects of the wire: see `shape`. The facts of each are those its default names."""

    batch: str = (
        "id object endpoint model errors input_file_id completion_window status output_file_id "
        "error_file_id created_at in_progress_at expires_at finalizing_at completed_at failed_at "
        "expired_at cancelling_at cancelled_at request_counts usage metadata"
    )
    """Also `endpoint_once_valid`, `counts_once_valid` (null while validating) and
    `counts_to_the_end` (lines that never ran count as failed)."""
    file: str = "object id purpose filename bytes created_at expires_at status status_details"
    upload: str = ""
    """The answer to an upload; empty: as `file`, which it may also name as a whole."""
    deleted: str = "object deleted id"
    entry: str = "code message param line"
    """One entry of `batch.errors`."""
    error: str = "error.message error.type error.param error.code"
    """A refusal; also `status` and `request_id`, `status_text`, and `code_or_status`."""
    error_of_files: str = (
        "error.message error.type error.param error.code detail.message detail.code"
    )
    """A refusal of the files routes; empty: as `error`."""
    answered: str = "id custom_id response.status_code response.request_id response.body error"
    """A line that succeeded; also `body_text`, the body as a JSON string."""
    failed: str = ""
    """A line that an HTTP error came back for; empty: as `answered`."""
    lost: str = "id custom_id response=null error"
    """A line that never ran; `error` has code and message."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Forms of ids: `fakebatch.ids` has what may stand in braces."""

    batch: str = "batch_{stamp}"
    file: str = "file-{base58}"
    output: str = ""
    """An output file; empty: as `file`."""
    errors: str = ""
    """An error file; empty: as `file`."""
    line: str = "batch_req_{stamp}"
    request: str = "{uuid}"
    """The `request_id` of a result line."""
    call: str = "req_{hex}"
    """The `x-request-id` of an HTTP answer."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is asked for and answered."""

    shape: str = "object data first_id last_id has_more"
    """Also `next` (where the next page begins, else null), and `data_or_null` (if empty)."""
    cursor: str = "after"
    """The parameter that says where a page begins; empty: everything is on one page."""
    usual: int = 20
    most: int = 100


@dataclass(frozen=True, slots=True)
class FileRules:
    """What becomes of an upload."""

    statuses: Mapping[str, int] = field(default_factory=lambda: {"processed": 0})
    """Status by status, the second after the upload at which it begins. Only in the last is the
    file good for a batch."""
    extensions: tuple[str, ...] = ()
    """How the name of a batch file must end; empty: names are not looked at."""
    renames: bool = False
    """Whether a second file of the same name is called `name (1).jsonl`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the service takes for what no schedule decides, in microseconds."""

    cancelling: int = 606 * SECOND
    expiring: int = 606 * SECOND
    late: int = SECOND
    """How long after `expires_at` the expiry begins."""
    keeps_batch_files: int | None = 30 * DAY
    """None: for ever."""
    keeps_uploads: int = 3_600 * SECOND
    """How long an upload takes parts."""
    webhook_retry: int = 5 * SECOND
    """How long until the second attempt of a webhook; each further one waits twice as long."""
    webhook_lives: int = 3 * DAY
    """For how long it is attempted."""
