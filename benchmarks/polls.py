"""One `batches.retrieve` through the SDK: by respx, by our own transport, by hand, and the floor.

python benchmarks/polls.py              # cost of a poll
python benchmarks/polls.py --memory     # 100,000 polls: growth of memory, cost over time
python benchmarks/polls.py --clients    # with a client made for each poll
"""

from __future__ import annotations

import argparse
from typing import Any

import httpx
import httpx2
import openai
import respx
from measuring import MIB, about, cpu, resident, rounds, table

from fakebatch import FakeBatch

LINE = (
    b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", '
    b'"body": {"model": "m", "input": "a"}}'
)


def batch_in_progress(fake: FakeBatch, client: openai.OpenAI) -> str:
    """The id of a batch that runs."""
    file = client.files.create(file=LINE, purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    fake.clock.advance("10m")
    return batch.id


def constant(client: openai.OpenAI, id_: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """What the emulator says of the batch: headers and body."""
    raw = client.batches.with_raw_response.retrieve(id_)
    return [*raw.headers.raw], raw.content


def over(transport: Any) -> openai.OpenAI:
    """The SDK over a transport."""
    return openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=transport))


def cost() -> None:
    """A poll, by each way, in interleaved rounds."""
    with FakeBatch(clock="manual") as fake:
        client = openai.OpenAI()
        id_ = batch_in_progress(fake, client)
        headers, body = constant(client, id_)
        floor = over(
            httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
        )
        ready = fake.openai()
        ways = {
            "SDK over a constant MockTransport (floor)": lambda: floor.batches.retrieve(id_),
            "fakebatch, ready client": lambda: ready.batches.retrieve(id_),
            "fakebatch through respx": lambda: client.batches.retrieve(id_),
        }
        # a loop of polls in which no time passes would be ended
        taken = rounds(ways, times=100, of=40, between=lambda: fake.clock.advance(0.001))
    with respx.mock(using="httpcore2") as router:
        router.get(url__startswith="https://api.openai.com/").mock(
            side_effect=lambda _: httpx.Response(200, headers=headers, content=body)
        )
        by_hand = openai.OpenAI(api_key="sk-dummy")
        ways = {
            "again the floor": lambda: floor.batches.retrieve(id_),
            "respx by hand, one route, constant": lambda: by_hand.batches.retrieve(id_),
        }
        taken |= rounds(ways, times=100, of=10)
    table(taken, "SDK over a constant MockTransport (floor)")


def memory(count: int) -> None:
    """Many polls in one test: what they leave, and their cost beside that of the floor."""
    with FakeBatch(clock="manual") as fake:
        clients = {"through respx": openai.OpenAI(), "ready client": fake.openai()}
        id_ = batch_in_progress(fake, clients["through respx"])
        headers, body = constant(clients["through respx"], id_)
        floor = over(
            httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
        )
        for name, client in clients.items():
            polled(client, id_, 1_000, fake)
            before = resident()
            ratios = [
                polled(client, id_, count // 10, fake) / polled(floor, id_, 1_000, fake)
                for _ in range(10)
            ]
            print(f"{name}: {count} polls, memory {(resident() - before) / MIB:+.1f} MiB")
            print("  of the floor, by tenths: " + " ".join(f"{each:.2f}" for each in ratios))


def clients() -> None:
    """A poll by a client that is made for it, beside one by a client that is there."""
    with FakeBatch(clock="manual") as fake:
        client = openai.OpenAI()
        id_ = batch_in_progress(fake, client)

        def with_a_context_of_its_own() -> None:
            http_client = openai.DefaultHttpxClient(verify=httpx2.create_ssl_context())
            openai.OpenAI(http_client=http_client).batches.retrieve(id_)

        ways = {
            "one client": lambda: client.batches.retrieve(id_),
            "a client for each poll": lambda: openai.OpenAI().batches.retrieve(id_),
            "a ready client for each poll": lambda: fake.openai().batches.retrieve(id_),
            "a client with a TLS context of its own": with_a_context_of_its_own,
        }
        table(rounds(ways, times=20, of=10), "one client")


def polled(client: openai.OpenAI, id_: str, times: int, fake: FakeBatch) -> float:
    """Seconds a poll."""
    began = cpu()
    for number in range(times):
        if number % 1_000 == 0:
            fake.clock.advance(0.001)
        client.batches.retrieve(id_)
    return (cpu() - began) / times


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--clients", action="store_true")
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    about()
    if given.memory:
        memory(given.count)
    elif given.clients:
        clients()
    else:
        cost()


if __name__ == "__main__":
    main()
