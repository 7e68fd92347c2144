"""The calls that create and change files: `files.*`, and `uploads.*` for files sent in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import md5
from itertools import chain, count

from fakebatch.batch.input_file import looks_like_jsonl
from fakebatch.batch.output_file import ResultFile
from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.rules.files import FileOverrides, overrides
from fakebatch.service.records import INPUT_PURPOSE, FileRecord, UploadCreateParams, UploadRecord
from fakebatch.service.state import State


def settles_after(changes: FileOverrides, dialect: Dialect) -> int:
    """How long after its upload a file can be found and has its last status, in microseconds."""
    processed = max(dialect.files.statuses.values()) * SECOND
    return max(changes.found_after, changes.ready_after, processed)


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
        id_: str | None = None,
        is_processed: bool = False,
    ) -> FileRecord:
        """Create a file that is sent in one call.

        Args:
            now: microseconds since the epoch.
            purpose: one of the dialect's.
            filename: numbered if the provider takes each name only once.
            content: of batch input only the length and the first line are checked.
            expires_after: seconds; by default a batch file expires after 30 days, others never.
            created: a moment in the past, for a file that the test adds; None: now.
            id_: its id; None: a new one in the form of the provider.
            is_processed: whether a batch could read it at `created`: it was uploaded before.

        Raises:
            APIError: the purpose is unknown, the file is too large or is no batch input, or there
                were too many uploads within a minute.
        """
        self.check_purpose(purpose)
        state, limits = self._state, self._state.dialect.limits
        if len(content) > limits.file_bytes:
            raise APIError(ErrorKind.FILE_TOO_LARGE, limit=limits.file_bytes)
        if created is None:
            with state.lock:
                if not state.file_creations.allows(limits.uploads_per_minute, now):
                    raise APIError(ErrorKind.TOO_MANY_UPLOADS, limit=limits.uploads_per_minute)
        return self.keep(
            now if created is None else created,
            purpose,
            filename,
            content,
            expires_after,
            written_by="files.create" if created is None else "files.add",
            id_=id_,
            is_processed=is_processed,
        )

    def check_purpose(self, purpose: str) -> None:
        """Check the purpose of an upload.

        Raises:
            APIError: the dialect has no such purpose.
        """
        known = self._state.dialect.purposes
        if purpose not in known:
            raise APIError(ErrorKind.BAD_PURPOSE, value=purpose, known=[*known])

    def keep(
        self,
        created: int,
        purpose: str,
        filename: str,
        content: bytes,
        expires_after: int | None,
        *,
        written_by: str,
        id_: str | None = None,
        is_processed: bool = False,
    ) -> FileRecord:
        """Store a file that has been received, whole or in parts.

        Raises:
            APIError: it is no batch input, or there are too many files for batches.
        """
        state, dialect = self._state, self._state.dialect
        is_input = purpose == INPUT_PURPOSE
        if is_input:
            if not content:
                raise APIError(ErrorKind.FILE_EMPTY)
            extensions = dialect.files.extensions
            has_extension = not extensions or filename.endswith(extensions)
            if not has_extension or not looks_like_jsonl(content):
                raise APIError(ErrorKind.NOT_JSONL)
        limit = dialect.limits.batch_files
        if dialect.files.renames or (limit is not None and dialect.deleting_field):
            state.settle(created)  # names and places that other batches take or free
        with state.lock:
            if is_input and limit is not None:
                inputs = [f for f in state.files.existing(created) if f.purpose == INPUT_PURPOSE]
                if len(inputs) >= limit:
                    raise APIError(ErrorKind.TOO_MANY_FILES, limit=limit)
            name = self._unused_name(filename, created) if dialect.files.renames else filename
            number = state.next_number()
            state.uploaded += 1
            state.revision += 1
            lifetime = dialect.pace.keeps_batch_files if is_input else None
            if expires_after is not None:
                lifetime = expires_after * SECOND
            file = FileRecord(
                id=id_ or state.id_factory.new(dialect.ids.file, created, number),
                number=number,
                purpose=purpose,
                filename=name,
                created=created,
                expires=None if lifetime is None else created + lifetime,
                content=content,
                written_by=written_by,
            )
            if state.scenario.on_file:
                file = self._with_rules(file)
            if is_processed:
                file = file.earlier(settles_after(file.overrides, dialect))
            state.files.put(file)
        return file

    def _with_rules(self, file: FileRecord) -> FileRecord:
        """A new upload, as the rules of `on_file` change it."""
        uploads = [each for each in self._state.files.all() if isinstance(each.content, bytes)]
        rules = {
            index: rule
            for index, rule in enumerate(self._state.scenario.on_file)
            if rule.matches(file)
            and (not rule.is_ordered or rule.includes(1 + sum(map(rule.matches, uploads))))
        }
        self._state.hit("on_file", rules)
        changes = overrides(rules.values())
        lifetime = changes.expires_after
        expires = file.expires if lifetime is None else file.created + lifetime
        return replace(file, overrides=changes, expires=expires)

    def _unused_name(self, filename: str, now: int) -> str:
        """The file name, with a number if another file has it."""
        taken = {file.filename for file in self._state.files.existing(now)}
        stem, dot, end = filename.rpartition(".")
        numbered = (f"{stem or end} ({number}){dot}{end if dot else ''}" for number in count(1))
        return next(name for name in chain([filename], numbered) if name not in taken)

    def delete(self, id_: str, now: int) -> None:
        """Delete a file. A batch that is still validating it will fail.

        Raises:
            APIError: there is no such file.
        """
        state = self._state
        state.settle_file(id_, now)
        with state.lock:
            file, batches = state.files.retrieve(id_, now), state.batches_by_input.get(id_, ())
            if isinstance(file.content, ResultFile):  # its bytes are those of the batch
                state.files.put(replace(file, deleted=now))
                batches = (*batches, file.content.batch.id)
            else:
                state.files.put(replace(file, content=b"", deleted=now))
            state.revision += 1
            for batch_id in batches:
                batch = state.batches.current(batch_id)
                if batch is not None and batch.is_validating(now):
                    state.batches.put(batch.without_input())
                state.unsettled.setdefault(batch_id, 0)  # it is made lighter once it has ended
            state.unsettled_from = 0
        state.settle(now, batches)


class Uploads:
    """Creates files that are sent in parts."""

    def __init__(self, state: State, files: Files) -> None:
        self._state = state
        self._files = files

    def create(
        self,
        params: UploadCreateParams,
        now: int,
        *,
        id_: str | None = None,
        parts: Mapping[str, bytes] | None = None,
        ended: str | None = None,
    ) -> UploadRecord:
        """Create an upload, which takes parts for an hour.

        One that the test adds may have parts already, or be over: `ended` is its status then.

        Raises:
            APIError: the dialect has no such purpose.
        """
        self._files.check_purpose(params.purpose)
        state = self._state
        number = state.next_number()
        upload = UploadRecord(
            id=id_ or state.id_factory.new("upload_{stamp}", now, number),
            params=params,
            created=now,
            expires=now + state.dialect.pace.keeps_uploads,
            number=number,
            parts=parts or {},
            ended=ended,
        )
        return self._put(upload)

    def add_part(self, id_: str, content: bytes, now: int) -> str:
        """Store one part. Returns its id; `complete` gives the order of the parts.

        Raises:
            APIError: the upload has ended, or the part or the sum of all parts is too large.
        """
        state, limits = self._state, self._state.dialect.limits
        with state.lock:
            upload = self._pending(id_, now)
            total = sum(map(len, upload.parts.values())) + len(content)
            if len(content) > limits.part_bytes or total > limits.upload_bytes:
                raise APIError(ErrorKind.FILE_TOO_LARGE)
            part_id = state.id_factory.new("part_{stamp}", now, state.next_number())
            self._put(replace(upload, parts={**upload.parts, part_id: content}))
        return part_id

    def complete(
        self, id_: str, part_ids: Sequence[str], now: int, *, digest: str | None = None
    ) -> tuple[UploadRecord, FileRecord]:
        """Create a file from the parts in the order of `part_ids`. After an error it is pending.

        `created_at` of the File is that of the Upload (observed). Other parts are dropped.

        Raises:
            APIError: the upload has ended, a part is unknown or listed twice, the length or the
                md5 differs from what the client announced, or the file is no batch input.
        """
        upload = self._pending(id_, now)
        params = upload.params
        for part_id, occurrences in Counter(part_ids).items():
            if part_id not in upload.parts:
                raise APIError(ErrorKind.NO_SUCH_PART, id=part_id)
            if occurrences > 1:
                raise APIError(ErrorKind.PART_TWICE, id=part_id)
        content = b"".join(upload.parts[part_id] for part_id in part_ids)
        if len(content) != params.bytes:
            raise APIError(ErrorKind.OTHER_LENGTH, got=len(content), wanted=params.bytes)
        if digest is not None:
            got = md5(content, usedforsecurity=False).hexdigest()
            if got != digest.lower():
                raise APIError(ErrorKind.OTHER_DIGEST, got=got, wanted=digest)
        with self._state.lock:
            self._pending(id_, now)  # another thread may have completed it
            file = self._files.keep(
                upload.created,
                params.purpose,
                params.filename,
                content,
                params.expires_after,
                written_by="uploads.complete",
            )
            return self._put(replace(upload, ended="completed", parts={})), file

    def cancel(self, id_: str, now: int) -> UploadRecord:
        """Cancel an upload and drop its parts.

        Raises:
            APIError: it has ended.
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
