"""Result files exist when somebody needs them; until then nobody judges the lines of others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fakebatch import RequestLine
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from support.batches import requests
from support.calling import FORM, form
from support.worlds import Client

HOUR = 3_600 * SECOND

CALLS: dict[str, Callable[[Client, str], object]] = {
    "a poll": lambda client, batch: client.json(f"/batches/{batch}"),
    "a cancel": lambda client, batch: client.send(f"/batches/{batch}/cancel", "POST"),
    "its input file": lambda client, batch: client.json(f"/files/{of(client, batch, 'input')}"),
    "its output file": lambda client, batch: client.json(f"/files/{of(client, batch, 'output')}"),
    "a download": lambda client, batch: (
        client.send(f"/files/{of(client, batch, 'output')}/content").pieces
    ),
    "a deletion": lambda client, batch: client.json(
        f"/files/{of(client, batch, 'output')}", "DELETE"
    ),
    "an upload": lambda client, _: client.upload(lines=1),
    "a create": lambda client, _: client.create(lines=1),
    "a list of models": lambda client, _: client.json("/models"),
}


def of(client: Client, batch: str, kind: str) -> str:
    return str(client.json(f"/batches/{batch}")[f"{kind}_file_id"])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_about_one_batch_leaves_the_lines_of_others_alone(
    call: Callable[[Client, str], object],
) -> None:
    """Though these have ended, too: to judge fifty thousand lines takes a while."""
    client, judged = Client(clock="manual"), list[str]()
    mine = client.create(lines=1)

    def judge(line: RequestLine) -> bool:
        judged.append(line.custom_id or "")
        return False

    client.world.emulator.on(judge).fail(500)
    client.create(lines=2)
    client.world.clock.move_to(client.world.clock.read() + 2 * HOUR)
    call(client, mine)
    assert judged == []
    assert len(client.json("/files")["data"]) >= 3
    assert judged == ["r-0", "r-1"]


def test_an_upload_meets_result_files_that_nobody_has_looked_at() -> None:
    """Where a provider takes each name only once, that of a result file is taken."""
    client = Client(dialect=OPENAI.set(files={"renames": True}), clock="manual")
    batch = client.create(lines=1)
    client.world.clock.move_to(client.world.clock.read() + 2 * HOUR)
    body = form(requests(1), f"{batch}_output.jsonl", purpose="batch")
    file = client.json("/files", "POST", body, **FORM)
    assert file["filename"] == f"{batch}_output (1).jsonl"


def test_an_upload_takes_the_place_of_an_input_that_its_batch_has_deleted() -> None:
    """Though nobody has looked since the batch ended."""
    dialect = OPENAI.set(limits={"batch_files": 1}, deleting_field="auto_delete_input")
    client = Client(dialect=dialect, clock="manual")
    params = {**client.params(client.upload(lines=1)), "auto_delete_input": True}
    assert client.send("/batches", "POST", params).status == 200
    assert client.send("/files", "POST", form(requests(1), purpose="batch"), **FORM).status == 400
    client.world.clock.move_to(client.world.clock.read() + 2 * HOUR)
    assert client.upload(lines=1)
