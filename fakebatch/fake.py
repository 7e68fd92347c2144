"""FakeBatch: the object that a test holds. An Emulator with a clock of its own and interception."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from inspect import signature
from operator import methodcaller
from typing import Self
from weakref import WeakKeyDictionary

from fakebatch.durations import SECOND, Duration, microseconds
from fakebatch.emulator import DialectChoice, Emulator, UnusedRules
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.ids import seeded_random
from fakebatch.inspection.endless import Endless
from fakebatch.interception.clients import Clients
from fakebatch.interception.dns import unresolvable
from fakebatch.interception.environment import (
    DUMMY_KEY,
    WEBHOOKS,
    dummy_environment,
    shared_tls_context,
)
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.mockers import installed
from fakebatch.interception.router import EmulatedRouter
from fakebatch.rules.catalogue import Incident
from fakebatch.vtime import Clock
from fakebatch.vtime.clock import Mode, Sleep
from fakebatch.vtime.scheduler import for_this_thread
from fakebatch.webhooks.delivered import DeliveredWebhooks


class FakeBatch(Emulator, Clients):
    """An OpenAI Batch API of your own, active between `with` and the end of its block.

    Attributes:
        batches: the batches by id; `batches.add` adds one that exists already.
        files: the files by id; `files.add` adds one.
        uploads: the uploads in parts by id; `uploads.add` adds one.
        clock: the time: `now`, `elapsed`, `advance`, `move_to`.
        journal: the calls and sleeps so far: `calls`, `count`, `sleeps`.
        scenario: all rules as one value. The selectors `on`, `on_batch`, `on_file`, `on_call` and
            `on_webhook` add rules, `reply`, `schedule` and `incident` too.
        webhooks: `deliver_to`, `due`, `secret`.
        router: a respx router, with a route for each operation: `router["batches.retrieve"]`.
        faults: the requests that rules of `on_call` hit: `fired`.
        base_url: the address for clients.
        dialects: the providers, as values; `dialect` is the first.
        services: the services that are emulated, each with its `state`.

    Args:
        seed: decides ids, shuffles and vectors: the same seed gives the same bytes.
        clock: "virtual" (the default: sleeping moves time), "manual" (only `clock.advance` does),
            or "real" (nothing is patched; the emulator goes by `time.time()`).
        start: the time at which the clock begins: a datetime, ISO text or unix seconds.
        dialect: the provider to emulate: a name, a TOML file or a Dialect (docs/dialects.md).
        dialects: several at once, told apart by their addresses.
        base_url: the address to emulate it at, in place of the provider's own.
        api_keys: the keys that are accepted; by default every key is.
        organizations: the organization of a key, `{"sk-a": "one", "sk-b": "two"}`. None sees the
            files and batches of another. Keys without an entry share one more.
        models: the models that exist; by default every plausible name does.
        limits: limits of the service that differ: `{"batch_lines": 10}`; see docs/dialects.md.
        strict_bodies: whether requests fail whose body the service refuses (docs/answers.md).
        incident: a known incident by name, a Scenario, a `.toml` or `.json` file, or several.
        unused_rules: what happens at the end if a rule of the test was never used: "error", "warn"
            or "ignore". Rules of an incident are only mentioned in the report.
        max_idle: how long a client may poll, in virtual time, after the last change that it could
            see and while no other is scheduled. Then its wait would never end, and it gets an
            error. By default twice the longest completion window of the batches that have not
            ended, at least 48 h.
        max_sleeps: how often a thread, or a task of an event loop, may sleep after such a change.
        max_elapsed: how much virtual time may pass in all.
        io_wait: for how long, in real time, virtual time stands still while a real socket owes an
            answer or a child process is waited for; then a warning names it, and time goes on.

    Raises:
        UsageError: an argument without meaning.
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        clock: Mode | None = None,
        start: datetime | str | float | None = None,
        dialect: DialectChoice | None = None,
        dialects: list[DialectChoice] | None = None,
        base_url: str | None = None,
        api_keys: list[str] | None = None,
        organizations: Mapping[str, str] | None = None,
        models: list[str] | None = None,
        limits: dict[str, int] | None = None,
        strict_bodies: bool = True,
        incident: Incident = (),
        unused_rules: UnusedRules = "error",
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
        io_wait: Duration = "10s",
    ) -> None:
        self.clock = Clock(
            clock,
            start=start,
            before_sleep=self._before_sleep,
            after_sleep=self._after_sleep,
            io_wait=io_wait,
        )
        """The time that the test sees, and the way to move it."""
        super().__init__(
            clock=partial(methodcaller("read"), self.clock),  # `read` changes with each start
            seed=seed,
            dialect=dialect,
            dialects=dialects,
            base_url=base_url,
            api_keys=api_keys,
            organizations=organizations,
            models=models,
            limits=limits,
            strict_bodies=strict_bodies,
            incident=incident,
            unused_rules=unused_rules,
        )
        self._lost_errors = LostErrors()
        self.webhooks: DeliveredWebhooks = DeliveredWebhooks(
            self._service.state, self._clock, self._observers
        )
        """Webhooks of the batches that have ended: `due`, `deliver_to`, `secret`."""
        self._after_changes.append(self.webhooks.sender.wake)
        self._endless = Endless(
            self.services,
            clock=self._clock,
            elapsed=self._elapsed,
            planned=self._planned.last,
            max_idle=max_idle,
            max_sleeps=max_sleeps,
            max_elapsed=max_elapsed,
        )
        self._observers.append(self._endless.called)
        self.router = EmulatedRouter(self._sites)
        """A respx router; `router["batches.retrieve"]` is the route of an operation."""
        self._ready_key = api_keys[0] if api_keys else DUMMY_KEY
        names = [name for dialect in self.dialects for name in dialect.environment]
        self._environment = {**dict.fromkeys(names, DUMMY_KEY), WEBHOOKS: self.webhooks.secret}
        self._active = ExitStack()
        self._entered = self._has_ended_a_wait = False
        self._left = 0

    @property
    def _never_used(self) -> tuple[str, ...]:
        """After the end, the rules that were never used, as the test wrote them."""
        return () if self._entered else self._unused()

    def __enter__(self) -> Self:
        if self._entered:
            raise UsageError(
                "This FakeBatch is active already.",
                "It was entered by `with` or by the fixture, and has not been left yet.",
                "Use it as it is, or make another: with FakeBatch() as inner.",
            )
        with ExitStack() as stack:
            _refuse_other_threads(stack)
            stack.enter_context(dummy_environment(self._environment))
            stack.enter_context(seeded_random(self._service.state.id_factory))
            stack.enter_context(unresolvable(self._sites.hosts, self._lost_errors))
            stack.enter_context(installed(self.router, self._lost_errors))
            stack.enter_context(shared_tls_context())
            stack.enter_context(self.clock)
            self._endless.reset()
            stack.callback(self._endless.reset)
            self._has_ended_a_wait = False
            stack.callback(self.webhooks.sender.close)
            self.router.belong_to_this_process()
            self._active = stack.pop_all()
            self._entered = True
        self._began = self.clock.read()
        entered[self] = None
        for call in [*self._planned.pending]:
            self._look_at(call.moment(self._began))
        if "PYTEST_CURRENT_TEST" in os.environ:
            latest.append(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._left, self._entered = self.clock.read(), False
        self._active.close()
        lost = [*self.webhooks.sender.errors, *self._lost_errors.take()]
        self.webhooks.sender.errors.clear()
        if lost and not isinstance(error, FakeBatchError):
            raise lost[0]
        if error is None:
            self.check_rules(stacklevel=3)

    def _look_at(self, moment: int) -> None:
        """Let a virtual or manual clock stop at a moment, to make the calls planned for it."""
        scheduler = for_this_thread()
        if scheduler is None or not self._entered:
            return

        def wait() -> None:
            try:
                with scheduler.precedence():
                    threading.Event().wait(max(moment - self._clock(), 0) / SECOND)
                self._planned.run_due(self._clock())
            except FakeBatchError as error:
                self.webhooks.sender.errors.append(error)

        threading.Thread(target=wait, name="fakebatch at", daemon=True).start()

    def _before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        failures = self.webhooks.sender.errors
        error = failures.pop() if failures else self._endless.before_sleep(sleep)
        # only the first: threads that wait beside it get errors that need not be seen
        if error is not None and not self._has_ended_a_wait:
            self._has_ended_a_wait = True
            self._lost_errors.note(error)
        return error

    def _after_sleep(self, start: int, end: int) -> None:
        self._recorder.sleep(start, end)

    def now(self) -> int:
        """The time in microseconds since the epoch; after the end of `with` the time of its end."""
        return super().now() if self._entered or not self._left else self._left

    def _elapsed(self, now: int) -> int:
        if not self._entered and not self._left:  # never entered: the time since it was made
            return super()._elapsed(now)
        return microseconds(self.clock.elapsed)  # to which a freeze within the test adds nothing


entered_in: list[threading.Thread] = []
"""The thread that entered each active fake."""


def _refuse_other_threads(stack: ExitStack) -> None:
    here = threading.current_thread()
    entered_in.append(here)  # before the check: of threads that enter at once the first succeeds
    stack.callback(entered_in.remove, here)
    # a fake that was left active by a thread which has ended does not count
    first = next(thread for thread in [*entered_in] if thread is here or thread.is_alive())
    if first is not here:
        raise UsageError(
            f"Thread {here.name!r} entered a FakeBatch while one is active in {first.name!r}.",
            "A process has one clock and one set of patched HTTP stacks, for all of its threads.",
            "Use the active one from every thread, or run tests in processes: pytest-xdist, -n 2.",
        )


entered: WeakKeyDictionary[FakeBatch, None] = WeakKeyDictionary()
"""The fakes that are or were active and still exist, in the order in which they were entered."""

latest: deque[FakeBatch] = deque(maxlen=8)
"""The last fakes of a test, kept for its report: after `with FakeBatch()` no name may hold one."""

KEYWORDS = tuple(signature(FakeBatch).parameters)
"""The keywords of FakeBatch, which are those of the marker."""
