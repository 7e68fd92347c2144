"""Groq: console.groq.com, and the groq SDK."""

from __future__ import annotations

from fakebatch.dialects.facts import documented, inferred
from fakebatch.dialects.openai import OPENAI

GROQ = OPENAI.derive(
    "groq",
    "Groq",
    documented(
        "groq SDK 1.7 and API reference",
        base_urls=("https://api.groq.com/openai/v1",),
        environment=("GROQ_API_KEY",),
        endpoints=("/v1/chat/completions",),
        window={"units": "hd", "least": "24h", "most": "7d"},
        ids={"batch": "batch_{ulid}", "file": "file_{ulid}"},
        shapes={"file": "id object bytes created_at filename purpose"},
        batches_list={"shape": "object data paging.next_cursor=next", "cursor": "cursor"},
        files_list={"shape": "object data", "cursor": ""},
        files={"extensions": (".jsonl",)},
    ),
    documented(
        "guide: in its sample a batch has completed without the bad line that `errors` names; the "
        "types of the SDK have `errors` as OpenAI does",
        skips_bad_lines=True,
        shapes={
            "batch": OPENAI.shapes.batch.replace(" errors ", " errors=errors.data ")
            .replace(" model ", " ")
            .replace(" usage ", " "),
        },
    ),
    inferred(
        "nothing of OpenAI's own",
        shapes={"error_of_files": ""},
        headers={"x-request-id": "{request_id}"},
        snapshots={},
    ),
    unknown=(
        "what a list does with `after`, which the OpenAI SDK sends: here it is passed over",
        "the words and codes of errors",
    ),
    left_out=(
        "the endpoints /v1/audio/transcriptions and /v1/audio/translations",
        "several batches by repeated `id`",
    ),
)
