"""What a test holds to look at files and batches: read-only, always as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from fakebatch.dialects import Refusal
from fakebatch.errors import Misuse
from fakebatch.service import Service, view
from fakebatch.service.shelf import Kept


class Look:
    """One object of the service: each field of its JSON is an attribute, read at this moment."""

    def __init__(self, id_: str, read: Callable[[str], view.Wire]) -> None:
        self.id = id_
        self._read = read

    def __getattr__(self, name: str) -> Any:
        wire = self.wire
        if name in wire:
            return wire[name]
        known = ", ".join(wire)
        raise AttributeError(f"{self.id} has no field {name!r}; it has {known}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.wire}>"

    @property
    def wire(self) -> view.Wire:
        """The object a client would get now.

        Raises:
            KeyError: it is gone, as a deleted or expired file is.
        """
        try:
            return self._read(self.id)
        except Refusal:
            raise KeyError(self.id) from None


class Batch(Look):
    """A batch as it is now: `status`, `request_counts`, `output_file_id` and the rest."""


class File(Look):
    """A file as it is now: `filename`, `purpose`, `bytes` …, and its `content`."""

    def __init__(self, id_: str, service: Service) -> None:
        super().__init__(id_, service.files.retrieve)
        self._service = service

    @property
    def content(self) -> bytes:
        """The bytes a client would download."""
        return self._service.files.content(self.id)[1]


LookT = TypeVar("LookT", bound=Look)


class Seen(Mapping[str, LookT], Generic[LookT]):
    """Objects by id, in order of creation."""

    def __init__(
        self,
        kind: str,
        found: Callable[[], Iterator[Kept]],
        has: Callable[[str], bool],
        look: Callable[[str], LookT],
    ) -> None:
        self._kind = kind
        self._found = found
        self._has = has
        self._look = look

    def __iter__(self) -> Iterator[str]:
        return (record.id for record in self._found())

    def __len__(self) -> int:
        return sum(1 for _ in self._found())

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self._has(id_)

    def __getitem__(self, id_: str) -> LookT:
        if id_ in self:
            return self._look(id_)
        raise KeyError(id_)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}: {', '.join(self)}>"

    @property
    def last(self) -> LookT:
        """The one created last.

        Raises:
            Misuse: there is none.
        """
        known = list(self)
        if not known:
            raise self._unexpected("the last of", known)
        return self._look(known[-1])

    def only(self) -> LookT:
        """The only one there is.

        Raises:
            Misuse: there is none, or more than one.
        """
        known = list(self)
        if len(known) != 1:
            raise self._unexpected("exactly one of", known)
        return self._look(known[0])

    def _unexpected(self, wanted: str, known: list[str]) -> Misuse:
        ids = ", ".join(known[:5]) + (" …" if len(known) > 5 else "")
        return Misuse(
            f"The test asked for {wanted} the {self._kind}, but there are {len(known)}.",
            f"The {self._kind} are: {ids or 'none'}.",
            f"Look at fakebatch.{self._kind}, a mapping by id, or mend what created them.",
        )
