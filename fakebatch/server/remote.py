"""A world of a server from another process: the words of the fixture, over HTTP."""

from __future__ import annotations

import warnings
from typing import Any

from fakebatch.durations import Duration, text
from fakebatch.durations import microseconds as span
from fakebatch.emulator import UnusedRules
from fakebatch.errors import FakeBatchError, FakeBatchWarning, RefusedRequest, UsageError
from fakebatch.inspection.checks import CheckName
from fakebatch.rules import catalogue, loading
from fakebatch.rules.catalogue import Incident
from fakebatch.rules.fluent import Rules
from fakebatch.rules.rule import Handle
from fakebatch.rules.scenario import AnyRule, Place, Scenario
from fakebatch.server.bodies import AnyCheck
from fakebatch.server.plane import Plane
from fakebatch.server.remote_objects import (
    RemoteBatches,
    RemoteClock,
    RemoteFiles,
    RemoteJournal,
)

__tracebackhide__ = True  # the traceback of a failed assertion ends in the test


def connect(url: str, *, token: str | None = None) -> Remote:
    """A world of a running server: `fakebatch.connect("http://127.0.0.1:8000/w/mine/v1")`.

    Args:
        url: the base URL of its clients, or the part of it before the path of the provider.
        token: what the server printed at its start, if it listens on more than its own machine.

    Raises:
        UsageError: no server answers there, or it has no such world.
    """
    return Remote(url, token)


class Remote(Rules):
    """A world of a server: the rules, the clock, the objects and the checks of a FakeBatch.

    Attributes:
        batches: the batches by id; `batches.add` adds one that exists already.
        files: the files by id; `files.add` adds one.
        clock: the time: `now`, `elapsed`, `advance`, `move_to`, and its `mode`.
        journal: the calls so far: `calls`, `count`.
        url: the base URL for clients.
        env: the environment of a client that shall use it.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        super().__init__()
        self._plane = Plane(url, token)
        state = self._plane.get("world")
        self.url: str = self._plane.address + state["path"]
        """The base URL for clients."""
        key: str = state["key"]
        self.env: dict[str, str] = {
            "OPENAI_BASE_URL": self.url,
            **dict.fromkeys(["OPENAI_API_KEY", *state["environment"]], key),
        }
        """The environment variables of a client that shall use it."""
        self.unused_rules: UnusedRules = state["unused_rules"]
        """What happens if a rule of the test was never used: "error", "warn" or "ignore"."""
        self.clock = RemoteClock(self._plane)
        """The time of the world."""
        self.journal = RemoteJournal(self._plane)
        """The calls that were made."""
        self.batches = RemoteBatches(self._plane)
        """The batches by id, in order of creation."""
        self.files = RemoteFiles(self._plane)
        """The files by id, in order of creation."""
        self._broke_off = False
        self._final: dict[str, Any] = {}
        """What the report of a test needs after the end of its server."""

    @property
    def base_url(self) -> str:
        """The same as `url`."""
        return self.url

    def __repr__(self) -> str:
        return f"<fakebatch.connect({self.url!r})>"

    # --- rules

    @property
    def scenario(self) -> Scenario:
        """All rules, as one value; assign another to replace them."""
        return loading.read(self._plane.get("scenario"))

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._plane.send("PUT", "scenario", loading.dump(scenario))

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Make a known incident happen: its name, a Scenario, a file, or several as a tuple.

        A file is read here, not by the server.

        Raises:
            UsageError: there is no such incident, or it has no such parameter.
        """
        scenario = catalogue.scenario(which, **parameters)
        self._plane.post("incident", scenario=loading.dump(scenario))

    def _add_rule(self, rule: AnyRule) -> Handle[Any]:
        added = self._plane.send("POST", "rules", {rule.family: [loading.dump(rule)]})["rules"]
        place = added[-1]["family"], added[-1]["index"]
        return Handle(rule, lambda: self._hits(place))

    def _hits(self, place: Place) -> int:
        rules = self._plane.get("rules")["rules"]
        return sum(rule["hits"] for rule in rules if (rule["family"], rule["index"]) == place)

    # --- the world

    def snapshot(self) -> int:
        """Save everything but the time. Returns the number for `restore`."""
        return int(self._plane.post("snapshot")["snapshot"])

    def restore(self, saved: int) -> None:
        """Go back to a snapshot in everything but the clock, which keeps its time."""
        self._plane.post("restore", snapshot=saved)

    def reset(self) -> None:
        """Begin again, as the world was made: without files, batches and calls."""
        self._plane.post("reset")

    def timeline(self) -> str:
        """What happened, in at most 40 lines."""
        return str(self._final.get("timeline") or self._plane.get("timeline")["timeline"])

    # --- checks

    def assert_all_downloaded(self) -> None:
        """Every output and error file that has ever existed was downloaded completely.

        Raises:
            AssertionError: it names the files that were not.
        """
        self._assert("all_downloaded")

    def assert_single_batch(self) -> None:
        """No two batches were created for the same input, unless the earlier was unsuccessful.

        Raises:
            AssertionError: it names the calls that created them.
        """
        self._assert("single_batch")

    def assert_no_leftover_files(self) -> None:
        """Every input and result file has been deleted or has expired.

        Raises:
            AssertionError: it names the files that are still there.
        """
        self._assert("no_leftover_files")

    def assert_min_poll_interval(self, min_interval: Duration) -> None:
        """No batch was retrieved twice within less than `min_interval` before it ended.

        With the clock `polls` this says nothing: polls themselves move it.

        Raises:
            AssertionError: it names the two calls that are closest to each other.
        """
        self._assert("min_poll_interval", min_interval=text(span(min_interval)))

    def check_rules(self) -> None:
        """Raise if a request was refused; raise or warn if a rule was never used.

        Raises:
            UsageError: a rule was never used, or a selection has no verb; unless `unused_rules`
                says otherwise.
            RefusedRequest: a request needs what is not emulated.
        """
        if self._broke_off:
            return
        for message in self._findings("refusals"):
            raise RefusedRequest(*message)
        if self.unused_rules == "ignore":
            return
        without_verb = [
            (
                f"{selection!r} has no verb.",
                "A selection by itself changes nothing.",
                f"Write for example {selection.rule.example}.",
            )
            for selection in self._selections
            if not selection.has_verb
        ]
        for message in without_verb + self._findings("used_rules"):
            error = UsageError(*message)
            if self.unused_rules == "error":
                raise error
            warnings.warn(FakeBatchWarning(str(error)), stacklevel=2)

    def finish(self) -> None:
        """Check the rules at the end of a test. The fixture does so.

        Raises:
            UsageError: a rule was never used, or a selection has no verb.
            RefusedRequest: a request needs what is not emulated.
        """
        self._final["rules"] = self._plane.get("rules")["rules"]
        try:
            self.check_rules()
        except FakeBatchError:
            self._final["timeline"] = self.timeline()
            raise

    @property
    def _never_used(self) -> tuple[str, ...]:
        rules = self._final.get("rules", ())
        return tuple(rule["rule"] for rule in rules if not rule["hits"])

    def _assert(self, check: CheckName, **options: Any) -> None:
        for message in self._findings(check, **options):
            raise AssertionError("fakebatch: " + "\n".join(message))

    def _findings(self, check: AnyCheck, **options: Any) -> list[tuple[str, str, str]]:
        findings = self._plane.post("checks", checks=[check], **options)["findings"]
        return [tuple(finding["message"]) for finding in findings]
