from __future__ import annotations

import json

from by_hand import CANCELLING, Act, ByHand, acts
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.durations import SECOND
from fakebatch.service.state import Event
from fakebatch.webhooks.outbox import Outbox

ENDS = ("completed", "failed", "expired", "cancelled")
Told = list[tuple[str, str, int]]


def told(events: list[Event]) -> Told:
    """What events say: the batch, how it ended, when."""
    said = [json.loads(event.body) for event in events]
    return [(one["data"]["id"], one["type"], one["created_at"]) for one in said]


def ended(world: ByHand) -> Told:
    """What a client sees of batches that have ended."""
    seen = [world.get(f"/batches/{id_}") for id_ in world.batches]
    over = [one for one in seen if one["status"] in ENDS]
    return [(one["id"], f"batch.{one['status']}", one[f"{one['status']}_at"]) for one in over]


@given(acts, st.lists(st.booleans(), min_size=15))
def test_each_end_is_told_once_whenever_one_asks(done: list[Act], asks: list[bool]) -> None:
    """The events are the ends that a client sees, in the order in which they came."""
    world = ByHand()
    outbox = Outbox(world.app.service.state)
    heard: Told = []
    for act, ask in zip(done, asks, strict=False):
        act(world)
        heard += told(outbox.due(world.now * SECOND)) if ask else []
    heard += told(outbox.due(world.now * SECOND))

    assert sorted(heard) == sorted(ended(world))
    assert [at for *_, at in heard] == sorted(at for *_, at in heard)
    world.now += 30 * 86_400
    later = told(outbox.due(world.now * SECOND))
    assert sorted(heard + later) == sorted(ended(world))


@given(acts, st.integers(0, CANCELLING))
def test_the_next_look_is_never_too_late(done: list[Act], early: int) -> None:
    """Before that moment nothing is due; after looks at all such moments nothing is left."""
    world = ByHand()
    outbox = Outbox(world.app.service.state)
    outbox.come_early(early * SECOND)
    for act in done:
        act(world)
    heard = outbox.due(world.now * SECOND)
    while (look := outbox.next_look()) is not None:
        world.now = look // SECOND - 1
        assert outbox.due(world.now * SECOND) == []
        world.now = look // SECOND
        heard += outbox.due(world.now * SECOND)
    assert len({event.batch_id for event in heard}) == len(heard) == len(world.batches)
