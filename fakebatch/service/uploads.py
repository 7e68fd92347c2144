"""`uploads.*`: a file that comes in parts, in any order, and is joined once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5

from fakebatch.dialects import ErrorKind, APIError
from fakebatch.service import view
from fakebatch.service.files import Files
from fakebatch.service.shelf import Announced, Shelf, UploadRecord
from fakebatch.service.view import Wire
from fakebatch.service.world import World


class Uploads:
    """The uploads of a provider."""

    def __init__(self, world: World, files: Files) -> None:
        self._world = world
        self._files = files
        self._uploads: Shelf[UploadRecord] = Shelf()
        self._pieces: dict[str, dict[str, bytes]] = {}

    def create(self, file: Announced) -> Wire:
        """Begin an upload; it takes parts for an hour.

        Raises:
            APIError: an unknown purpose.
        """
        self._files.check_purpose(file.purpose)
        with self._world.lock:
            now, number = self._world.clock(), self._world.next()
            record = UploadRecord(
                id=self._world.mint.made("upload_{stamp}", now, number),
                file=file,
                created=now,
                expires=now + self._world.dialect.pace.keeps_uploads,
                number=number,
            )
            self._uploads.put(record)
            self._world.revision += 1
            self._pieces[record.id] = {}
            return view.upload_object(record, now)

    def add_part(self, id_: str, content: bytes) -> Wire:
        """Take one part; `complete` will say where it belongs.

        Raises:
            APIError: the upload is over, or the part too large, or all parts together are.
        """
        with self._world.lock:
            now = self._world.clock()
            pieces = self._pieces[self._pending(id_, now).id]
            limits = self._world.dialect.limits
            total = sum(map(len, pieces.values())) + len(content)
            if len(content) > limits.part_bytes or total > limits.upload_bytes:
                raise APIError(ErrorKind.FILE_TOO_LARGE)
            part_id = self._world.mint.made("part_{stamp}", now, self._world.next())
            pieces[part_id] = content
            self._world.revision += 1
            return view.part_object(part_id, now, id_)

    def complete(self, id_: str, part_ids: Sequence[str], digest: str | None = None) -> Wire:
        """Make a file of the parts named, in that order. A refusal leaves the upload pending.

        Its File is as old as the upload (observed). Parts that are not named are dropped.

        Raises:
            APIError: the upload is over, a part is unknown or named twice, the length or the md5
                is another than was said, or a batch cannot use it.
        """
        with self._world.lock:
            now = self._world.clock()
            record = self._pending(id_, now)
            content = _joined(self._pieces[id_], part_ids)
            _check(content, record.file.bytes, digest)
            said = record.file
            file = self._files.keep(
                record.created, said.purpose, said.filename, content, said.expires_after
            )
            return {**self._end(record, "completed", now), "file": file}

    def cancel(self, id_: str) -> Wire:
        """End an upload; it takes no more parts.

        Raises:
            APIError: it is over already.
        """
        with self._world.lock:
            now = self._world.clock()
            return self._end(self._pending(id_, now), "cancelled", now)

    def _end(self, record: UploadRecord, status: str, now: int) -> Wire:
        ended = replace(record, ended=status)
        self._uploads.put(ended)
        self._world.revision += 1
        del self._pieces[record.id]
        return view.upload_object(ended, now)

    def _pending(self, id_: str, now: int) -> UploadRecord:
        record = self._uploads.get(id_, now)
        if record is None:
            raise APIError(ErrorKind.NO_SUCH_UPLOAD, id=id_)
        if record.status(now) != "pending":
            raise APIError(ErrorKind.UPLOAD_OVER, id=id_, status=record.status(now))
        return record


def _joined(pieces: dict[str, bytes], part_ids: Sequence[str]) -> bytes:
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
