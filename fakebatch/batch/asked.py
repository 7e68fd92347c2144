"""What a batch is asked to do: by which call, of which lines, and what is to come of each."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from fakebatch.batch.choosing import Choices, Decision
from fakebatch.batch.input_file import Lines
from fakebatch.batch.quotes import Quotes, answers_alike, constant
from fakebatch.batch.validation import Entry, Judgement, judge
from fakebatch.dialects import Dialect, ErrorCode
from fakebatch.ids import Mint
from fakebatch.scenario import USUAL, Fails, Hangs, Life, Scenario, Schedule

NO_LINES = Lines(b"", array("Q"), array("Q"), array("Q"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the call that created the batch said."""

    endpoint: str
    window: str
    input_file_id: str
    metadata: Mapping[str, str] | None
    output_expires_after: int | None
    """Seconds the result files live, where the call said so."""
    model: str = ""
    """The model of every line, where the call named one."""
    deletes_input: bool = False
    """Whether the input file goes with the end of the batch."""


@dataclass(frozen=True)
class Input:
    """The lines of a batch and what is to come of them: shared by a plan and its successors."""

    content: bytes | None
    """None: there is no such file."""
    asked: Asked
    scenario: Scenario
    dialect: Dialect
    models: frozenset[str] | None
    mint: Mint
    refused: Entry | None = None
    """What else fails the batch, though its lines are good."""
    number: int = 1
    """Which batch it is, in the order of creation."""
    earlier: Mapping[str, int] = field(default_factory=dict[str, int])
    """In how many batches before a custom_id was, where lines can heal."""

    @cached_property
    def life(self) -> Life:
        """What differs about this batch."""
        return self.scenario.life(self.number, self.asked.endpoint)

    @cached_property
    def is_usual(self) -> bool:
        """Whether it is shown as it is."""
        return self.life == USUAL

    @cached_property
    def schedule(self) -> Schedule:
        """How long it stays in each status."""
        own = {name: getattr(self.life, name) for name in Schedule.__dataclass_fields__}
        said = {name: value for name, value in own.items() if value is not None}
        return replace(self.scenario.schedule, **said)

    @cached_property
    def judged(self) -> Judgement:
        """What validation finds."""
        if self.content is None:
            missing = Entry(ErrorCode.NO_INPUT_FILE, {"id": self.asked.input_file_id})
            return Judgement(NO_LINES, (missing,), None)
        found = judge(
            self.content,
            self.asked.endpoint,
            self.dialect,
            self.models,
            model=self.asked.model,
            quotes=self._quotes(self.content),
        )
        if found.fails or self.refused is None:
            return found
        return replace(found, entries=(self.refused,), skipped=False)

    def _quotes(self, content: bytes) -> Quotes | None:
        """For notes of what each result line repeats, where results are made of nothing else."""
        alike = answers_alike(self.asked.endpoint, self.scenario, self.dialect)
        if not (alike and self.life.writes_as_usual):
            return None
        return Quotes(content, constant(self.scenario.otherwise), self.asked.model)

    @property
    def lines(self) -> Lines:
        """The request lines."""
        return self.judged.lines

    @property
    def fails(self) -> bool:
        """Whether validation fails it."""
        return self.judged.fails or self.life.fails is not None

    @cached_property
    def choices(self) -> Choices:
        """What comes of each line."""
        return Choices(self.scenario, len(self.lines), self.mint, self.earlier)

    def decision(self, index: int) -> Decision:
        """What comes of one line."""
        return self.choices.decided(index) or self.choices.decide(self.lines.request(index))

    @cached_property
    def hanging(self) -> frozenset[int]:
        """The request lines that never finish."""
        if self.fails or not self.choices.may_hang:
            return frozenset()
        indices = range(len(self.lines))
        return frozenset(i for i in indices if isinstance(self.decision(i).outcome, Hangs))

    @cached_property
    def running(self) -> int:
        """How many request lines finish if nothing comes between."""
        return len(self.lines) - len(self.hanging)

    @cached_property
    def order(self) -> list[int]:
        """The request lines in the order in which they finish; last those that never do."""
        order = self.mint.order(len(self.lines), "lines")
        return sorted(order, key=self.hanging.__contains__) if self.hanging else order

    @cached_property
    def failing(self) -> list[int]:
        """Places in `order` of the lines that fail, ascending."""
        return [place for place, fails in self._failures if fails]

    @cached_property
    def misfiled(self) -> list[int]:
        """Places in `order` of the lines that fail and are in the output file all the same."""
        return [place for place, fails in self._failures if fails and fails.file == "output"]

    @cached_property
    def _failures(self) -> list[tuple[int, Fails | None]]:
        if self.fails or self.choices.trivial:
            return []
        outcomes = ((place, self.decision(i).outcome) for place, i in enumerate(self.order))
        return [(place, one if isinstance(one, Fails) else None) for place, one in outcomes]
