"""Values that follow from a frozen object: made when first needed, by one thread, and kept.

Threads that need the same value wait for the one that makes it, and hold nothing else meanwhile. A
callable of the test may call the client while it answers a line: its thread may come back.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any, Generic, TypeVar

from fakebatch.errors import UsageError

T = TypeVar("T")

_waiting: dict[int, Once] = {}
"""What each thread waits for that another one makes."""


class Once:
    """Lets one thread at a time make values of an object, and of those that share it."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        """The values that all of these objects have in common."""
        self.maker: int | None = None
        """The thread that makes a value now."""
        self._lock = RLock()
        self._making: list[str] = []

    def make(self, values: dict[str, Any], name: str, make: Callable[[], T]) -> T:
        """The value that `values` keeps under this name, made now if it is not there yet.

        Raises:
            UsageError: it is needed to make itself.
        """
        if name not in values:
            self._wait()
            self._making.append(name)
            try:
                if self._making.count(name) > 1:
                    raise _circle()
                if name not in values:
                    values[name] = make()
            finally:
                self._making.pop()
                self.maker = get_ident() if self._making else None
                self._lock.release()
        value: T = values[name]
        return value

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
        "The results of a batch cannot be known while its lines are answered.",
        "A callable that selects or answers lines has looked at the batch they belong to.",
        "Let it look at other batches only.",
    )


class made_once(Generic[T]):  # noqa: N801  # a decorator, as property is
    """A property that is made once, by one thread, in the turn that `_once` of its object gives.

    For what a callable of the test takes part in. `functools.cached_property` will not do: in
    Python 3.11 it computes under a lock that all objects of a class share.
    """

    def __init__(self, make: Callable[[Any], T], *, is_shared: bool = False) -> None:
        self.__doc__ = make.__doc__
        self._make, self._is_shared = make, is_shared

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, of: Any, _: type) -> T:
        once: Once = of._once  # noqa: SLF001  # where an object has its Once
        values: dict[str, Any] = of.__dict__
        made = once.shared if self._is_shared else values
        value = once.make(made, self._name, lambda: self._make(of))
        values[self._name] = value  # from where the next look takes it, without coming here
        return value


def made_once_and_shared(make: Callable[[Any], T]) -> made_once[T]:
    """A property that is made once, and is the same for all objects that share the Once."""
    return made_once(make, is_shared=True)
