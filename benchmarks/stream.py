"""50,000 embeddings of 1,536 numbers: the output file is written while it is downloaded.

python benchmarks/stream.py                   # 1.6 GB are written, twice
python benchmarks/stream.py --lines 10000
"""

from __future__ import annotations

import argparse

import openai
from measuring import MIB, Peak, about, cpu

from fakebatch import FakeBatch

LINE = (
    '{"custom_id": "row-%d", "method": "POST", "url": "/v1/embeddings", '
    '"body": {"model": "text-embedding-3-small", "input": "text %d"}}\n'
)


def through(fake: FakeBatch, client: openai.OpenAI, content: bytes) -> None:
    """The whole life of a batch of embeddings, downloaded in blocks that are thrown away."""
    file = client.files.create(file=content, purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    fake.clock.advance("2h")
    began = cpu()
    ended = client.batches.retrieve(batch.id)
    print(f"  completed and its usage known after {cpu() - began:.2f} s")
    began = cpu()
    size = client.files.retrieve(ended.output_file_id or "").bytes
    print(f"  its size, {size / MIB:.0f} MiB, after another {cpu() - began:.2f} s")
    began, length = cpu(), 0
    with client.files.with_streaming_response.content(ended.output_file_id or "") as response:
        for block in response.iter_bytes():
            length += len(block)
    print(f"  {length / MIB:.0f} MiB downloaded in {cpu() - began:.1f} s")


def main() -> None:
    """The command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--lines", type=int, default=50_000)
    given = parser.parse_args()
    about()
    content = "".join(LINE % (number, number) for number in range(given.lines)).encode()
    with FakeBatch(clock="manual") as fake:
        for name, client in {"ready client": fake.openai(), "respx": openai.OpenAI()}.items():
            print(name)
            with Peak() as peak:
                through(fake, client, content)
            print(f"  {peak.extra / MIB:.0f} MiB of memory at most")


if __name__ == "__main__":
    main()
