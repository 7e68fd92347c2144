"""`uploads.*`: a file that comes in parts, in any order, and is joined once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import md5

from fakebatch.dialects import APIError, ErrorKind
from fakebatch.service import view
from fakebatch.service.files import Files
from fakebatch.service.state import State
from fakebatch.service.store import UploadCreateParams, UploadRecord
from fakebatch.service.view import Wire


class Uploads:
    """The uploads of a provider."""

    def __init__(self, state: State, files: Files) -> None:
        self._state = state
        self._files = files

    def create(self, params: UploadCreateParams, now: int) -> Wire:
        """Begin an upload; it takes parts for an hour.

        Raises:
            APIError: an unknown purpose.
        """
        self._files.check_purpose(params.purpose)
        state = self._state
        with state.lock:
            number = state.next_number()
            record = UploadRecord(
                id=state.mint.made("upload_{stamp}", now, number),
                params=params,
                created=now,
                expires=now + state.dialect.pace.keeps_uploads,
                number=number,
            )
            state.uploads.put(record)
            state.revision += 1
        return view.upload_object(record, now)

    def add_part(self, id_: str, content: bytes, now: int) -> Wire:
        """Take one part; `complete` will say where it belongs.

        Raises:
            APIError: the upload is over, or the part too large, or all parts together are.
        """
        state = self._state
        with state.lock:
            record, limits = self._pending(id_, now), state.dialect.limits
            total = sum(map(len, record.parts.values())) + len(content)
            if len(content) > limits.part_bytes or total > limits.upload_bytes:
                raise APIError(ErrorKind.FILE_TOO_LARGE)
            part_id = state.mint.made("part_{stamp}", now, state.next_number())
            state.uploads.put(replace(record, parts={**record.parts, part_id: content}))
            state.revision += 1
        return view.part_object(part_id, now, id_)

    def complete(
        self, id_: str, part_ids: Sequence[str], now: int, *, digest: str | None = None
    ) -> Wire:
        """Make a file of the parts named, in that order. A refusal leaves the upload pending.

        Its File is as old as the upload (observed). Parts that are not named are dropped.

        Raises:
            APIError: the upload is over, a part is unknown or named twice, the length or the md5
                is another than the client said, or a batch cannot use it.
        """
        record = self._pending(id_, now)
        params, content = record.params, _joined(record.parts, part_ids)
        _check(content, params.bytes, digest)
        with self._state.lock:
            self._pending(id_, now)  # nobody has completed it meanwhile
            file = self._files.keep(
                record.created, params.purpose, params.filename, content, params.expires_after
            )
            ended = self._end(record, "completed", now)
        return {**ended, "file": view.file_object(file, self._state.dialect, now)}

    def cancel(self, id_: str, now: int) -> Wire:
        """End an upload; it takes no more parts.

        Raises:
            APIError: it is over already.
        """
        with self._state.lock:
            return self._end(self._pending(id_, now), "cancelled", now)

    def _end(self, record: UploadRecord, status: str, now: int) -> Wire:
        ended = replace(record, ended=status, parts={})
        self._state.uploads.put(ended)
        self._state.revision += 1
        return view.upload_object(ended, now)

    def _pending(self, id_: str, now: int) -> UploadRecord:
        record = self._state.uploads.get(id_, now)
        if record is None:
            raise APIError(ErrorKind.NO_SUCH_UPLOAD, id=id_)
        if record.status(now) != "pending":
            raise APIError(ErrorKind.UPLOAD_OVER, id=id_, status=record.status(now))
        return record


def _joined(pieces: Mapping[str, bytes], part_ids: Sequence[str]) -> bytes:
    for part_id, times in Counter(part_ids).items():
        if part_id not in pieces:
            raise APIError(ErrorKind.NO_SUCH_PART, id=part_id)
        if times > 1:
            raise APIError(ErrorKind.PART_TWICE, id=part_id)
    return b"".join(pieces[part_id] for part_id in part_ids)


def _check(content: bytes, length: int, digest: str | None) -> None:
    if len(content) != length:
        raise APIError(ErrorKind.OTHER_LENGTH, got=len(content), wanted=length)
    if digest is not None:
        got = md5(content, usedforsecurity=False).hexdigest()
        if got != digest.lower():
            raise APIError(ErrorKind.OTHER_DIGEST, got=got, wanted=digest)
