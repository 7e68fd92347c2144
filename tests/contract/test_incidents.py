"""The catalogue of incidents: each happens on the wire, and breaks no careful client."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.proofs import Proof, proofs, trial
from fakebatch import FakeBatch
from fakebatch.rules.catalogue import known
from support.careful import Found, careful
from support.client import Driver, chat

pytestmark = [pytest.mark.sync, pytest.mark.untyped]
PROOFS = proofs()


def test_every_incident_has_a_proof() -> None:
    """And every proof an incident."""
    assert sorted(PROOFS) == sorted(known())


@pytest.mark.parametrize(("id_", "proof"), PROOFS.items(), ids=PROOFS)
@pytest.mark.parametrize("happens", [True, False], ids=["with it", "without it"])
def test_an_incident_happens(id_: str, proof: Proof, happens: bool) -> None:
    """Its symptom is seen on the wire; without the incident it is not."""
    with trial(id_, happens=happens) as conditions:
        assert proof(conditions) is happens


TWENTY = [chat(f"r{number:02}", f"question {number:02}") for number in range(20)]
ANSWERS = {f"r{number:02}": f"question {number:02}" for number in range(20)}
CAREFUL: dict[str, tuple[Callable[[Found], bool], int]] = {
    # what the careful client finds, in how many batches
    "completed-null-output": (
        lambda found: found.failures == dict.fromkeys(ANSWERS, "unsupported_parameter"),
        1,
    ),
    "counts-lie-status-zero": (
        lambda found: (len(found.answers), [*found.failures.values()]) == (19, ["0"]),
        1,
    ),
    "create-ok-then-failed": (lambda found: found.reasons == [("invalid_json_line", 1)], 1),
    "create-retried-duplicate-batch": (lambda found: found.answers == ANSWERS, 1),
    "download-truncated": (lambda found: found.answers == ANSWERS, 1),
    "enqueued-token-limit": (lambda found: found.answers == ANSWERS, 3),
    "expired-with-partial-output": (
        lambda found: (len(found.answers), {*found.failures.values()}) == (2, {"batch_expired"}),
        1,
    ),
    "poll-5xx-kills-loop": (lambda found: found.answers == ANSWERS, 1),
    "shuffled-order": (lambda found: found.answers == ANSWERS, 1),
    "unicode-line-separators": (
        lambda found: found.answers == {i: f"{a}\u2028\u2029\x85" for i, a in ANSWERS.items()},
        1,
    ),
}


@pytest.mark.parametrize(
    ("fakebatch", "holds", "batches"),
    [pytest.param(name, *careful, id=name) for name, careful in CAREFUL.items()],
    indirect=["fakebatch"],
)
def test_an_incident_does_not_break_a_careful_client(
    do: Driver, fakebatch: FakeBatch, holds: Callable[[Found], bool], batches: int
) -> None:
    """Every request is accounted for, as what it is, and no batch was created for nothing."""
    found = careful(do, TWENTY)

    assert holds(found), found
    assert len(fakebatch.batches) == batches
