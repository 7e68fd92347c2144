"""Costs that must not grow: with the number of batches, and with the lines of one batch.

python benchmarks/many.py
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import openai
from measuring import about, cpu, rounds, table

from fakebatch import FakeBatch

LINE = (
    '{"custom_id": "%d", "method": "POST", "url": "/v1/embeddings", '
    '"body": {"model": "m", "input": "a"}}'
)
UNLIMITED = {"creates_per_hour": 10**9}


def requests(count: int) -> bytes:
    """A batch file."""
    return "\n".join(LINE % number for number in range(count)).encode()


def create(client: openai.OpenAI, content: bytes) -> str:
    """Upload and create: the id of the batch."""
    file = client.files.create(file=content, purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    ).id


def grown(numbers: tuple[int, ...]) -> None:
    """Each operation, among few and among many batches of ten lines."""
    content, costs = requests(10), {}
    for number in numbers:
        with FakeBatch(clock="manual", limits=UNLIMITED) as fake:
            client = fake.openai()
            costs[number] = measured(client, fake, content, number)
    few, many = costs[numbers[0]], costs[numbers[-1]]
    print(f"us an operation{'':25} among {numbers[0]:>6}  among {numbers[-1]:>6}   ratio")
    for name in few:
        print(f"{name:40} {few[name]:12.0f} {many[name]:13.0f}   {many[name] / few[name]:.2f}")


def measured(
    client: openai.OpenAI, fake: FakeBatch, content: bytes, number: int
) -> dict[str, float]:
    """Microseconds of each operation when there are so many batches."""
    ids = [create(client, content) for _ in range(number - 100)]
    costs: dict[str, float] = {}

    def take(name: str, items: Sequence[Any], work: Callable[[Any], Any], calls: int = 1) -> None:
        """The least of five parts."""
        taken = []
        for part in (items[place::5] for place in range(5)):
            gc.collect()
            began = cpu()
            for item in part:
                work(item)
            taken.append((cpu() - began) / len(part) / calls * 1e6)
        costs[name] = min(taken)

    take("upload and create", range(100), lambda _: ids.append(create(client, content)))
    fake.clock.advance("10m")
    for id_ in ids:
        client.batches.retrieve(id_)  # each is validated once
    # what was listed is not kept: then the garbage collector walks over what the client holds
    listed: list[int] = []
    take(
        "list, a page of 100",
        range(5),
        lambda _: listed.append(sum(1 for _ in client.batches.list(limit=100))),
        calls=-(-number // 100),
    )
    if set(listed) != {number}:
        raise SystemExit(f"{listed} batches are listed, not {number}")
    some = ids[:: max(1, number // 500)]
    take("retrieve", some, client.batches.retrieve)
    take("look in fakebatch.batches", some, fake.batches.__getitem__)
    files = [client.batches.retrieve(id_).input_file_id for id_ in ids[:100]]
    take("delete a file", files, client.files.delete)
    return costs


def looked_at() -> None:
    """A retrieve of a batch in progress, by its number of lines."""
    with FakeBatch(clock="manual") as fake:
        client = fake.openai()
        ids = {count: create(client, requests(count)) for count in (1, 50_000)}
        fake.on(custom_id="7").fail(429)
        ids[-1] = create(client, requests(50_000))
        fake.clock.advance("10m")
        names = {1: "1 line", 50_000: "50,000 lines", -1: "50,000 lines, a rule among them"}

        def look(id_: str) -> None:
            fake.clock.advance("0.1s")  # so that every look at many lines has other counts
            client.batches.retrieve(id_)

        work = {f"retrieve, {names[count]}": partial(look, id_) for count, id_ in ids.items()}
        table(rounds(work, times=100, of=20), "retrieve, 1 line")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=10_000)
    given = parser.parse_args()
    about()
    grown((100, given.most))
    print()
    looked_at()


if __name__ == "__main__":
    main()
