"""`files.*`: keep, list, show, delete, hand out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count

from fakebatch.batch.input_file import looks_like_jsonl
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.result_files import Content
from fakebatch.dialects import ErrorKind, APIError
from fakebatch.durations import SECOND
from fakebatch.scenario import Keeping
from fakebatch.scenario.merging import merged
from fakebatch.service import view
from fakebatch.service.quota import Rate
from fakebatch.service.shelf import FileRecord
from fakebatch.service.view import Wire
from fakebatch.service.world import World


class Files:
    """The files of a provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.uploads = Rate(60 * SECOND)

    def create(
        self,
        *,
        purpose: str,
        filename: str,
        content: bytes,
        expires_after: int | None = None,
        created: int | None = None,
    ) -> Wire:
        """Keep an upload. Of batch input only the length and the first line are looked at.

        It lives `expires_after` seconds: by default a batch file 30 days, others for ever. It was
        `created` now, unless a test puts it in place as an older one.

        Raises:
            APIError: an unknown purpose, too large, no JSON lines for a batch, or too many uploads
                within a minute.
        """
        self.check_purpose(purpose)
        if len(content) > self._world.dialect.limits.file_bytes:
            raise APIError(ErrorKind.FILE_TOO_LARGE, limit=self._world.dialect.limits.file_bytes)
        with self._world.lock:
            now = self._world.clock() if created is None else created
            limit = self._world.dialect.limits.uploads_per_minute
            if created is None and not self.uploads.allows(limit, now):
                raise APIError(ErrorKind.TOO_MANY_UPLOADS, limit=limit)
            return self.keep(now, purpose, filename, content, expires_after)

    def keep(
        self, created: int, purpose: str, filename: str, content: bytes, expires_after: int | None
    ) -> Wire:
        """Keep what has been received, in whatever way. The caller holds the lock.

        Raises:
            APIError: no JSON lines for a batch, or too many files for batches.
        """
        if purpose == "batch":
            self._check_input(filename, content, created)
        number = self._world.next()
        self._world.uploaded += 1
        self._world.revision += 1
        keeping = self._keeping(purpose)
        record = FileRecord(
            id=self._world.mint.made(self._world.dialect.ids.file, created, number),
            number=number,
            purpose=purpose,
            filename=self._free(filename, created),
            created=created,
            expires=self._expiry(created, purpose, expires_after, keeping),
            load=lambda: content,
            keeping=keeping,
        )
        self._world.files.put(record)
        return view.file_object(record, self._world.dialect, self._world.clock())

    def check_purpose(self, purpose: str) -> None:
        """Refuse a purpose that no upload may have.

        Raises:
            APIError: an unknown purpose.
        """
        known = self._world.dialect.purposes
        if purpose not in known:
            raise APIError(ErrorKind.BAD_PURPOSE, value=purpose, known=[*known])

    def list(self, *, purpose: str | None, limit: int, order: str, after: str | None) -> Wire:
        """A page of files, newest first unless `order` is "asc"."""
        with self._world.lock:
            now = self._world.settled()
            try:
                found, has_more = self._world.files.page(
                    now,
                    after=after,
                    limit=limit,
                    newest_first=order == "desc",
                    where=lambda record: purpose in (None, record.purpose),
                )
            except KeyError:
                raise APIError(ErrorKind.NO_SUCH_FILE, id=after) from None
            dialect = self._world.dialect
            data = [view.file_object(record, dialect, now) for record in found]
            return view.page(data, dialect.files_list, has_more=has_more)

    def retrieve(self, id_: str) -> Wire:
        """A file's object."""
        with self._world.lock:
            now = self._world.settled()
            return view.file_object(self._find(id_, now), self._world.dialect, now)

    def delete(self, id_: str) -> Wire:
        """Delete a file. A batch that still validates it will fail."""
        with self._world.lock:
            now = self._world.settled()
            self._world.files.put(replace(self._find(id_, now), deleted=now))
            self._world.revision += 1
            for batch_id in self._world.readers.get(id_, ()):
                record = self._world.batches.get(batch_id, now)
                if record is not None and record.plan.status(now) is Status.VALIDATING:
                    self._world.batches.put(replace(record, plan=record.plan.without_input()))
            return view.deleted_file(id_, self._world.dialect)

    def content(self, id_: str) -> tuple[str, bytes]:
        """A file's name and its bytes: the same at every download."""
        filename, content = self.open(id_)
        return filename, bytes(content)

    def open(self, id_: str) -> tuple[str, Content]:
        """The same, where a file too long to hold is written while it is read."""
        with self._world.lock:
            record = self._find(id_, self._world.settled())
            return record.filename, record.load()

    def has(self, id_: str) -> bool:
        """Whether there is such a file now."""
        with self._world.lock:
            return self._world.files.get(id_, self._world.settled()) is not None

    def known(self) -> Iterator[FileRecord]:
        """Every file there is now, oldest first."""
        with self._world.lock:
            return iter([*self._world.files.all(self._world.settled())])

    def _check_input(self, filename: str, content: bytes, now: int) -> None:
        """Refuse what cannot be the input of a batch."""
        dialect = self._world.dialect
        if not content:
            raise APIError(ErrorKind.FILE_EMPTY)
        named = filename.endswith(dialect.files.extensions) or not dialect.files.extensions
        if not named or not looks_like_jsonl(content):
            raise APIError(ErrorKind.NOT_JSONL)
        limit = dialect.limits.batch_files
        if limit is not None:
            kept = [one for one in self._world.files.all(now) if one.purpose == "batch"]
            if len(kept) >= limit:
                raise APIError(ErrorKind.TOO_MANY_FILES, limit=limit)

    def _free(self, filename: str, now: int) -> str:
        """The name a file gets: its own, or a numbered one where names are taken only once."""
        if not self._world.dialect.files.renames:
            return filename
        taken = {record.filename for record in self._world.files.all(now)}
        stem, dot, end = filename.rpartition(".")
        numbered = (f"{stem or end} ({number}){dot}{end if dot else ''}" for number in count(1))
        return next(name for name in chain([filename], numbered) if name not in taken)

    def _keeping(self, purpose: str) -> Keeping:
        """What was said of the upload that comes now."""
        rules = self._world.scenario.files
        met = [rule for rule in rules if rule.which(self._world.uploaded, purpose)]
        self._world.used.update(map(id, met))
        return merged(Keeping(), (rule.keeping for rule in met))

    def _expiry(self, now: int, purpose: str, after: int | None, keeping: Keeping) -> int | None:
        if keeping.lives is not None:
            return now + keeping.lives
        if after is not None:
            return now + after * SECOND
        lives = self._world.dialect.pace.keeps_batch_files
        return None if lives is None or purpose != "batch" else now + lives

    def _find(self, id_: str, now: int) -> FileRecord:
        record = self._world.files.get(id_, now)
        if record is None:
            raise APIError(ErrorKind.NO_SUCH_FILE, id=id_)
        return record
