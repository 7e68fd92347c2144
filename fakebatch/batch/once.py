"""Values that follow from a frozen object: made when first needed, by one thread, and kept.

Threads that need the same value wait for the one that makes it, and hold nothing else meanwhile. A
callable of the test may call the client while it answers a line: its thread may come back.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any, Generic, Self, TypeVar, overload

from fakebatch.errors import UsageError

T = TypeVar("T")


_waiting: dict[int, Once] = {}
"""What each thread waits for that another one makes."""


class Once:
    """What has been made, by name."""

    def __init__(self) -> None:
        self._lock = RLock()
        self.maker: int | None = None
        """The thread that makes a value now."""
        self._values: dict[str, Any] = {}
        self._making: list[str] = []

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of this name, made now if it is not there yet.

        Raises:
            UsageError: it is needed to make itself.
        """
        if name not in self._values:
            self._wait()
            try:
                if name in self._making:
                    raise _circle()
                if name not in self._values:
                    self._making.append(name)
                    try:
                        self._values[name] = make()
                    finally:
                        self._making.pop()
            finally:
                self.maker = get_ident() if self._making else None
                self._lock.release()
        value: T = self._values[name]
        return value

    @property
    def is_busy(self) -> bool:
        """Whether the calling thread is making a value."""
        return self.maker == get_ident()

    def _wait(self) -> None:
        """Wait for the thread that makes a value here, unless that waits for the calling one."""
        thread = get_ident()
        _waiting[thread] = self
        try:
            other: Once | None = self
            while other is not None and other.maker not in (None, thread):
                other = _waiting.get(other.maker or 0)
                if other is not None and other.maker == thread:
                    raise _circle()
            self._lock.acquire()
            self.maker = thread
        finally:
            del _waiting[thread]


def _circle() -> UsageError:
    return UsageError(
        "What comes of a batch cannot be known while its lines are answered.",
        "A callable that selects or answers them has asked for it.",
        "Let it look at other batches alone.",
    )


class made_once(Generic[T]):  # noqa: N801  # a decorator, as property is
    """A property that is made once, and kept in the `Once` of this name that its object has."""

    def __init__(self, make: Callable[[Any], T], kept_in: str = "_once") -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._kept_in = kept_in

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, of: None, _: type) -> Self: ...
    @overload
    def __get__(self, of: object, _: type) -> T: ...
    def __get__(self, of: object | None, _: type) -> Self | T:
        if of is None:
            return self
        kept: Once = getattr(of, self._kept_in)
        value = kept.get(self._name, lambda: self._make(of))
        of.__dict__[self._name] = value  # from where the next look takes it, without coming here
        return value
