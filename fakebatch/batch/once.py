"""Cached properties of a frozen object, each computed once, by one thread at a time.

Threads that need the same value wait for the one that computes it. To compute it may call a
callable of the test, which may call the client: so the same thread may come back for other values.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any, Generic, TypeVar

from fakebatch.errors import UsageError

T = TypeVar("T")

_waiting: dict[int, Once] = {}
"""The object that a thread waits for, by thread."""


class Once:
    """Lets one thread at a time compute values of an object, or of several that share it."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        """The values that are the same for all objects that share this."""
        self.maker: int | None = None
        """The thread that is computing a value now."""
        self._lock = RLock()
        self._making: list[str] = []

    def make(self, values: dict[str, Any], name: str, make: Callable[[], T]) -> T:
        """The value of this name in `values`; if it is missing, `make` computes it.

        Raises:
            UsageError: the value depends on itself.
        """
        if name not in values:
            self._wait()
            self._making.append(name)
            try:
                if self._making.count(name) > 1:
                    raise _circular()
                if name not in values:
                    values[name] = make()
            finally:
                self._making.pop()
                self.maker = get_ident() if self._making else None
                self._lock.release()
        value: T = values[name]
        return value

    def _wait(self) -> None:
        """Wait for the thread that computes a value here, unless it waits for the calling one."""
        thread = get_ident()
        _waiting[thread] = self
        try:
            other: Once | None = self
            while other is not None and other.maker not in (None, thread):
                other = _waiting.get(other.maker or 0)
                if other is not None and other.maker == thread:
                    raise _circular()
            self._lock.acquire()
            self.maker = thread
        finally:
            del _waiting[thread]


def _circular() -> UsageError:
    return UsageError(
        "The results of a batch depend on themselves.",
        "A predicate or reply callable read its own batch, or a list with it or its result files.",
        "Read only other batches and files in it.",
    )


class computed_once(Generic[T]):  # noqa: N801  # a decorator, as property is
    """A cached property, computed by one thread, in the turn that `_once` of its object gives.

    For what a callable of the test takes part in. `functools.cached_property` will not do: in
    Python 3.11 it computes under a lock that all objects of a class share.
    """

    def __init__(self, compute: Callable[[Any], T], *, is_shared: bool = False) -> None:
        self.__doc__ = compute.__doc__
        self._compute, self._is_shared = compute, is_shared

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, _: type) -> T:
        once: Once = owner._once  # noqa: SLF001  # the attribute that this decorator needs
        values: dict[str, Any] = owner.__dict__
        store = once.shared if self._is_shared else values
        value = once.make(store, self._name, lambda: self._compute(owner))
        values[self._name] = value  # the next access finds it there, without this descriptor
        return value


def computed_once_shared(compute: Callable[[Any], T]) -> computed_once[T]:
    """A cached property that is the same for all objects that share the Once."""
    return computed_once(compute, is_shared=True)
