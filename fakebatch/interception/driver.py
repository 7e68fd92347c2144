"""An exchange as one generator of steps, and the two that drive it: a thread and an event loop.

So the order of things is written once for clients of either kind; a step is what they do otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import anyio

from fakebatch.vtime import scheduler

T = TypeVar("T")


class Step(NamedTuple):
    """One thing to do, in the way of a thread or of an event loop."""

    on_thread: Callable[[], Any]
    on_loop: Callable[[], Awaitable[Any]]


Steps = Generator[Step, Any, T]
"""Yields what is to be done, is sent what came of it, and returns a T."""


def run(steps: Steps[T]) -> T:
    """Drive an exchange on the thread of a synchronous client."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.on_thread()
            except BaseException as error:  # noqa: BLE001  # the exchange decides
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        value: T = end.value
        return value
    except RuntimeError as error:
        # that side effects are at their end respx tells by StopIteration, which no generator passes
        if isinstance(error.__cause__, StopIteration):
            raise error.__cause__ from None
        raise


async def run_on_loop(steps: Steps[T]) -> T:
    """Drive an exchange on the event loop of an asynchronous client."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step.on_loop()
            except BaseException as error:  # noqa: BLE001  # the exchange decides
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        value: T = end.value
        return value


def wait(seconds: float) -> Step:
    """Let virtual time pass; in real time nobody wants to wait."""
    return Step(partial(_sleep, seconds), partial(_sleep_on_loop, seconds))


def _sleep(seconds: float) -> None:
    if scheduler.for_this_thread() is not None:
        time.sleep(seconds)


async def _sleep_on_loop(seconds: float) -> None:
    if scheduler.for_this_thread() is not None:
        await anyio.sleep(seconds)
