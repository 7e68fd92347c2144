"""aiohttp: uploads, polls, prints the results. Argument: the input file."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp

URL, TIMEOUT = os.environ["OPENAI_BASE_URL"], float(os.environ["TIMEOUT"])


async def main(path: Path) -> None:
    headers = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, raise_for_status=True
    ) as session:

        async def call(method: str, path: str, **options: Any) -> Any:
            async with session.request(method, URL + path, **options) as response:
                return await response.json()

        with path.open("rb") as opened:
            form = aiohttp.FormData({"purpose": "batch", "file": opened})
            file = await call("POST", "/files", data=form)
        params = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = await call("POST", "/batches", json={"input_file_id": file["id"], **params})
        while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
            batch = await call("GET", f"/batches/{batch['id']}")
        async with session.get(f"{URL}/files/{batch['output_file_id']}/content") as response:
            sys.stdout.buffer.write(await response.read())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
