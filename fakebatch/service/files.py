"""What calls change about files: `files.*`, whole, and `uploads.*`, part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5
from itertools import chain, count

from fakebatch.batch.input_file import looks_like_jsonl
from fakebatch.dialects import APIError, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.rules.files import overrides
from fakebatch.service.records import INPUT_PURPOSE, FileRecord, UploadCreateParams, UploadRecord
from fakebatch.service.state import State


class Files:
    """Creates and deletes the files of a provider."""

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
    ) -> FileRecord:
        """Keep a file that is sent in one call.

        Args:
            now: microseconds since the epoch.
            purpose: as the dialect knows it.
            filename: by which it is kept, unless the provider takes each name only once.
            content: of batch input only the length and the first line are looked at.
            expires_after: seconds; by default a batch file lives 30 days, others for ever.
            created: a past moment, for a file that a test puts in place; else it is now.

        Raises:
            APIError: an unknown purpose, too large, no JSON lines for a batch, or too many uploads
                within a minute.
        """
        self.check_purpose(purpose)
        state, limits = self._state, self._state.dialect.limits
        if len(content) > limits.file_bytes:
            raise APIError(ErrorKind.FILE_TOO_LARGE, limit=limits.file_bytes)
        if created is None:
            with state.lock:
                if not state.file_creations.allows(limits.uploads_per_minute, now):
                    raise APIError(ErrorKind.TOO_MANY_UPLOADS, limit=limits.uploads_per_minute)
            created = now
        return self.keep(created, purpose, filename, content, expires_after)

    def check_purpose(self, purpose: str) -> None:
        """Refuse a purpose that no upload may have.

        Raises:
            APIError: an unknown purpose.
        """
        known = self._state.dialect.purposes
        if purpose not in known:
            raise APIError(ErrorKind.BAD_PURPOSE, value=purpose, known=[*known])

    def keep(
        self, created: int, purpose: str, filename: str, content: bytes, expires_after: int | None
    ) -> FileRecord:
        """Keep a file that has been received, whole or in parts.

        Raises:
            APIError: no JSON lines for a batch, or too many files for batches.
        """
        state, dialect = self._state, self._state.dialect
        is_input = purpose == INPUT_PURPOSE
        if is_input:
            if not content:
                raise APIError(ErrorKind.FILE_EMPTY)
            extensions = dialect.files.extensions
            is_named = not extensions or filename.endswith(extensions)
            if not is_named or not looks_like_jsonl(content):
                raise APIError(ErrorKind.NOT_JSONL)
        with state.lock:
            limit = dialect.limits.batch_files
            if is_input and limit is not None:
                inputs = [f for f in state.files.all(created) if f.purpose == INPUT_PURPOSE]
                if len(inputs) >= limit:
                    raise APIError(ErrorKind.TOO_MANY_FILES, limit=limit)
            number = state.next_number()
            state.uploaded += 1
            state.revision += 1
            rules = state.scenario.on_file
            places = [i for i, rule in enumerate(rules) if rule.matches(state.uploaded, purpose)]
            state.hit("on_file", places)
            changes = overrides([rules[place] for place in places])
            lives = dialect.pace.keeps_batch_files if is_input else None
            if changes.expires_after is not None:
                lives = changes.expires_after
            elif expires_after is not None:
                lives = expires_after * SECOND
            file = FileRecord(
                id=state.mint.made(dialect.ids.file, created, number),
                number=number,
                purpose=purpose,
                filename=self._free(filename, created) if dialect.files.renames else filename,
                created=created,
                expires=None if lives is None else created + lives,
                content=content,
                overrides=changes,
            )
            state.files.put(file)
        return file

    def _free(self, filename: str, now: int) -> str:
        """The file name, numbered if there is a file of that name now."""
        taken = {file.filename for file in self._state.files.all(now)}
        stem, dot, end = filename.rpartition(".")
        numbered = (f"{stem or end} ({number}){dot}{end if dot else ''}" for number in count(1))
        return next(name for name in chain([filename], numbered) if name not in taken)

    def delete(self, id_: str, now: int) -> None:
        """Delete a file. A batch that still validates it will fail.

        Raises:
            APIError: there is no such file.
        """
        state = self._state
        with state.lock:
            state.files.put(replace(state.files.retrieve(id_, now), deleted=now))
            state.revision += 1
            for batch_id in state.batches_by_input.get(id_, ()):
                batch = state.batches.current(batch_id)
                if batch is not None and batch.is_validating(now):
                    state.batches.put(batch.without_input())


class Uploads:
    """Takes files in parts, in any order, and joins each once."""

    def __init__(self, state: State, files: Files) -> None:
        self._state = state
        self._files = files

    def create(self, params: UploadCreateParams, now: int) -> UploadRecord:
        """Begin an upload; it takes parts for an hour.

        Raises:
            APIError: an unknown purpose.
        """
        self._files.check_purpose(params.purpose)
        state = self._state
        number = state.next_number()
        return self._put(
            UploadRecord(
                id=state.mint.made("upload_{stamp}", now, number),
                params=params,
                created=now,
                expires=now + state.dialect.pace.keeps_uploads,
                number=number,
            )
        )

    def add_part(self, id_: str, content: bytes, now: int) -> str:
        """Take one part; `complete` will say where it belongs. The id of the part.

        Raises:
            APIError: the upload is over, or the part too large, or all parts together are.
        """
        state, limits = self._state, self._state.dialect.limits
        with state.lock:
            upload = self._pending(id_, now)
            total = sum(map(len, upload.parts.values())) + len(content)
            if len(content) > limits.part_bytes or total > limits.upload_bytes:
                raise APIError(ErrorKind.FILE_TOO_LARGE)
            part_id = state.mint.made("part_{stamp}", now, state.next_number())
            self._put(replace(upload, parts={**upload.parts, part_id: content}))
        return part_id

    def complete(
        self, id_: str, part_ids: Sequence[str], now: int, *, digest: str | None = None
    ) -> tuple[UploadRecord, FileRecord]:
        """Make a file of the parts named, in that order. A refusal leaves the upload pending.

        Its File is as old as the upload (observed). Parts that are not named are dropped.

        Raises:
            APIError: the upload is over, a part is unknown or named twice, the length or the md5
                is another than the client said, or a batch cannot use it.
        """
        upload = self._pending(id_, now)
        params = upload.params
        for part_id, times in Counter(part_ids).items():
            if part_id not in upload.parts:
                raise APIError(ErrorKind.NO_SUCH_PART, id=part_id)
            if times > 1:
                raise APIError(ErrorKind.PART_TWICE, id=part_id)
        content = b"".join(upload.parts[part_id] for part_id in part_ids)
        if len(content) != params.bytes:
            raise APIError(ErrorKind.OTHER_LENGTH, got=len(content), wanted=params.bytes)
        if digest is not None:
            got = md5(content, usedforsecurity=False).hexdigest()
            if got != digest.lower():
                raise APIError(ErrorKind.OTHER_DIGEST, got=got, wanted=digest)
        with self._state.lock:
            self._pending(id_, now)  # nobody has completed it meanwhile
            file = self._files.keep(
                upload.created, params.purpose, params.filename, content, params.expires_after
            )
            return self._put(replace(upload, ended="completed", parts={})), file

    def cancel(self, id_: str, now: int) -> UploadRecord:
        """End an upload; it takes no more parts.

        Raises:
            APIError: it is over already.
        """
        with self._state.lock:
            return self._put(replace(self._pending(id_, now), ended="cancelled", parts={}))

    def _pending(self, id_: str, now: int) -> UploadRecord:
        upload = self._state.uploads.retrieve(id_, now)
        if upload.status(now) != "pending":
            raise APIError(ErrorKind.UPLOAD_OVER, id=id_, status=upload.status(now))
        return upload

    def _put(self, upload: UploadRecord) -> UploadRecord:
        with self._state.lock:
            self._state.uploads.put(upload)
            self._state.revision += 1
        return upload
