"""The card of a client: all verdicts, and what they mean beside the failures that are known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import shorten
from xml.etree import ElementTree as ET

from fakebatch.gauntlet.known import KnownFailures
from fakebatch.gauntlet.verdicts import Verdict
from fakebatch.rules.validation import adapter

COLUMNS = {
    "no loss": "loss",
    "no lie": "lie",
    "no double spend": "spend",
    "terminates": "ends",
    "clean": "clean",
}
"""The verdicts, and the heads of their columns."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a run of the gauntlet has found.

    Attributes:
        verdicts: one for each incident, in the order of the catalogue.
        problems: why the run has failed; empty: it has passed.
    """

    verdicts: tuple[Verdict, ...]
    known: KnownFailures = field(default_factory=KnownFailures)
    strict: bool = False
    """Whether `unclean` and `info` are failures."""
    command: str = "fakebatch.run_gauntlet(run, only={id!r})"
    """What runs one case alone."""

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, id_: str) -> Verdict:
        for verdict in self.verdicts:
            if id_ in (verdict.id, verdict.id.partition("/")[2]):
                return verdict
        raise KeyError(id_)

    def __str__(self) -> str:
        return self.text()

    def fails(self, verdict: Verdict) -> bool:
        """Whether a verdict is a failure."""
        strict = ("unclean", "info") if self.strict else ()
        return verdict.outcome in ("fail", *strict)

    @property
    def new(self) -> list[Verdict]:
        """The failures that are not known."""
        return [each for each in self if self.fails(each) and each.id not in self.known.fails]

    @property
    def mended(self) -> list[Verdict]:
        """The known failures that did not fail."""
        return [
            each
            for each in self
            if each.id in self.known.fails and each.outcome != "not run" and not self.fails(each)
        ]

    @property
    def problems(self) -> list[str]:
        """Why the run has failed; empty: it has passed."""
        return [
            *(self.story(verdict) for verdict in self.new),
            *(
                f"{each.id}: {each.outcome}, but still listed as a known failure "
                f"({self.known.fails[each.id]})."
                for each in self.mended
            ),
        ]

    def summary(self) -> str:
        """`61 pass (2 without the incident), 2 info, 1 fail (1 known)`."""
        counts = Counter(each.outcome for each in self)
        unmet = Counter(each.outcome for each in self if each.unmet)
        parts = [
            f"{count} {outcome}"
            + f" ({unmet[outcome]} without the incident)" * bool(unmet[outcome])
            for outcome, count in counts.items()
        ]
        known = sum(1 for each in self if self.fails(each) and each.id in self.known.fails)
        return ", ".join(parts) + (f" ({known} known)" if known else "")

    def rows(self) -> Iterator[tuple[str, str]]:
        """The matrix: each row, and the outcome that it shows."""
        width = max((len(each.id) for each in self), default=0)
        yield f"{'':{width}}  {'  '.join(COLUMNS.values())}", ""
        for each in self:
            bad = {finding.check for finding in each.findings}
            run = each.outcome != "not run"
            marks = (
                f"{('x' if name in bad else '.') if run else ' ':^{len(head)}}"
                for name, head in COLUMNS.items()
            )
            known = " (known)" if each.id in self.known.fails else ""
            yield f"{each.id:{width}}  {'  '.join(marks)}  {each.outcome}{known}", each.outcome

    def story(self, verdict: Verdict) -> str:
        """A failure in words, and how to see it alone."""
        lines = [f"{verdict.id}: {verdict.outcome}"]
        for finding in verdict.findings:
            what, known, advice = finding.message
            lines += [f"  {finding.check}: {what}", f"    {known}", f"    {advice}"]
        lines += [f"  {why}" for why in (verdict.reason, verdict.unmet) if why]
        return _escaped("\n".join([*lines, f"  Alone: {self.command.format(id=verdict.id)}"]))

    def after_matrix(self) -> str:
        """The problems; a line for each verdict that is neither these nor a pass; a summary."""
        notes = [
            f"{each.id}: {each.outcome}: {shorten(note, 200, placeholder='…')}"
            for each in self
            if not self.fails(each)
            for note in [
                *(finding.message[0] for finding in each.findings),
                each.reason,
                each.unmet,
            ]
            if note
        ]
        parts = [*self.problems, *(["\n".join(notes)] if notes else []), self.summary()]
        return "\n\n".join(parts)

    def text(self) -> str:
        """The matrix, and what it means in words."""
        return "\n".join([*(row for row, _ in self.rows()), "", self.after_matrix()])

    def as_json(self) -> str:
        """All verdicts as JSON, and why the run has failed."""
        data = {
            "summary": self.summary(),
            "problems": self.problems,
            "cases": adapter(list[Verdict]).dump_python([*self], mode="json"),
        }
        return json.dumps(data, indent=2)

    def junit(self) -> str:
        """All verdicts as JUnit XML, a test case for each incident."""
        new, mended = {each.id for each in self.new}, {each.id for each in self.mended}
        skipped = sum(1 for each in self if each.outcome == "not run")
        suite = ET.Element(
            "testsuite",
            name="fakebatch gauntlet",
            tests=str(len(self)),
            failures=str(len(new) + len(mended)),
            skipped=str(skipped),
        )
        for each in self:
            group, _, name = each.id.partition("/")
            case = ET.SubElement(suite, "testcase", classname=group, name=name)
            if each.id in new | mended:
                message = (
                    each.outcome
                    if each.id in new
                    else "mended, but still listed as a known failure"
                )
                ET.SubElement(case, "failure", message=message).text = self.story(each)
            elif each.outcome == "not run":
                ET.SubElement(case, "skipped", message=_escaped(each.reason))
            else:
                ET.SubElement(case, "system-out").text = self.story(each)
        ET.indent(suite)
        return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def _escaped(text: str) -> str:
    """A text with its control characters as escapes: clients print any, XML has few of them."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
