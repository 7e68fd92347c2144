"""`files.*`: keep, list, show, delete, hand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count

from fakebatch.batch.input_file import looks_like_jsonl
from fakebatch.batch.output_file import Content
from fakebatch.dialects import APIError, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.rules.files import FileOverrides, overrides
from fakebatch.service import view
from fakebatch.service.state import State
from fakebatch.service.store import FileRecord
from fakebatch.service.view import Wire

INPUT_PURPOSE = "batch"


class Files:
    """The files of a provider."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(
        self,
        now: int,
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
        limits = self._state.dialect.limits
        if len(content) > limits.file_bytes:
            raise APIError(ErrorKind.FILE_TOO_LARGE, limit=limits.file_bytes)
        with self._state.lock:
            limit = limits.uploads_per_minute
            if created is None and not self._state.file_creations.allows(limit, now):
                raise APIError(ErrorKind.TOO_MANY_UPLOADS, limit=limit)
        at = now if created is None else created
        file = self.keep(at, purpose, filename, content, expires_after)
        return view.file_object(file, self._state.dialect, now)

    def keep(
        self, created: int, purpose: str, filename: str, content: bytes, expires_after: int | None
    ) -> FileRecord:
        """Keep what has been received, in whatever way.

        Raises:
            APIError: no JSON lines for a batch, or too many files for batches.
        """
        if purpose == INPUT_PURPOSE:
            self._check_input(filename, content)
        state = self._state
        with state.lock:
            if purpose == INPUT_PURPOSE:
                self._check_number(created)
            number = state.next_number()
            state.uploaded += 1
            state.revision += 1
            different = self._overrides(purpose)
            record = FileRecord(
                id=state.mint.made(state.dialect.ids.file, created, number),
                number=number,
                purpose=purpose,
                filename=self._free(filename, created),
                created=created,
                expires=self._expiry(created, purpose, expires_after, different),
                content=content,
                overrides=different,
            )
            state.files.put(record)
        return record

    def check_purpose(self, purpose: str) -> None:
        """Refuse a purpose that no upload may have.

        Raises:
            APIError: an unknown purpose.
        """
        known = self._state.dialect.purposes
        if purpose not in known:
            raise APIError(ErrorKind.BAD_PURPOSE, value=purpose, known=[*known])

    def list(
        self, now: int, *, purpose: str | None, limit: int, order: str, after: str | None
    ) -> Wire:
        """A page of files, newest first unless `order` is "asc"."""
        try:
            files, has_more = self._state.files.page(
                now,
                after=after,
                limit=limit,
                newest_first=order == "desc",
                where=lambda file: purpose in (None, file.purpose),
            )
        except KeyError:
            raise APIError(ErrorKind.NO_SUCH_FILE, id=after) from None
        dialect = self._state.dialect
        data = [view.file_object(file, dialect, now) for file in files]
        return view.page(data, dialect.files_list, has_more=has_more)

    def retrieve(self, id_: str, now: int) -> Wire:
        """A file's object."""
        return view.file_object(self.get(id_, now), self._state.dialect, now)

    def delete(self, id_: str, now: int) -> Wire:
        """Delete a file. A batch that still validates it will fail."""
        state = self._state
        with state.lock:
            state.files.put(replace(self.get(id_, now), deleted=now))
            state.revision += 1
            for batch_id in state.batches_by_input.get(id_, ()):
                batch = state.batches.current(batch_id)
                if batch is not None and batch.is_validating(now):
                    state.batches.put(batch.without_input())
        return view.deleted_file(id_, state.dialect)

    def content(self, id_: str, now: int) -> tuple[str, Content]:
        """A file's name and its bytes, the same at every download; or what makes so many bytes."""
        file = self.get(id_, now)
        return file.filename, file.read()

    def get(self, id_: str, now: int) -> FileRecord:
        """A file there is now.

        Raises:
            APIError: there is none of this id.
        """
        file = self._state.files.get(id_, now)
        if file is None:
            raise APIError(ErrorKind.NO_SUCH_FILE, id=id_)
        return file

    def has(self, id_: str, now: int) -> bool:
        """Whether there is such a file now."""
        return self._state.files.get(id_, now) is not None

    def known(self, now: int) -> Sequence[FileRecord]:
        """Every file there is now, oldest first."""
        self._state.settle(now)
        return [*self._state.files.all(now)]

    def _check_input(self, filename: str, content: bytes) -> None:
        """Refuse what cannot be the input of a batch."""
        extensions = self._state.dialect.files.extensions
        if not content:
            raise APIError(ErrorKind.FILE_EMPTY)
        named = filename.endswith(extensions) or not extensions
        if not named or not looks_like_jsonl(content):
            raise APIError(ErrorKind.NOT_JSONL)

    def _check_number(self, now: int) -> None:
        limit = self._state.dialect.limits.batch_files
        if limit is not None:
            kept = [one for one in self._state.files.all(now) if one.purpose == INPUT_PURPOSE]
            if len(kept) >= limit:
                raise APIError(ErrorKind.TOO_MANY_FILES, limit=limit)

    def _free(self, filename: str, now: int) -> str:
        """The name a file gets: its own, or a numbered one where names are taken only once."""
        if not self._state.dialect.files.renames:
            return filename
        taken = {record.filename for record in self._state.files.all(now)}
        stem, dot, end = filename.rpartition(".")
        numbered = (f"{stem or end} ({number}){dot}{end if dot else ''}" for number in count(1))
        return next(name for name in chain([filename], numbered) if name not in taken)

    def _overrides(self, purpose: str) -> FileOverrides:
        """What differs about the upload that comes now."""
        rules, nth = self._state.scenario.on_file, self._state.uploaded
        places = [place for place, rule in enumerate(rules) if rule.matches(nth, purpose)]
        self._state.hit("on_file", places)
        return overrides(rules[place] for place in places)

    def _expiry(
        self, now: int, purpose: str, after: int | None, different: FileOverrides
    ) -> int | None:
        if different.expires_after is not None:
            return now + different.expires_after
        if after is not None:
            return now + after * SECOND
        lives = self._state.dialect.pace.keeps_batch_files
        return None if lives is None or purpose != "batch" else now + lives
