"""Zhipu AI (BigModel GLM, Z.ai): docs.bigmodel.cn, and the zai SDK."""

from __future__ import annotations

from dataclasses import replace

from fakebatch.dialects.base import ErrorKind
from fakebatch.dialects.facts import documented, inferred
from fakebatch.dialects.openai import OPENAI

MB = 1024 * 1024
CODES = {
    ErrorKind.NO_KEY: "1001",
    ErrorKind.WRONG_KEY: "1000",
    ErrorKind.NO_SUCH_MODEL: "1211",
    ErrorKind.MISSING: "1213",
    ErrorKind.TOO_MANY_BATCHES: "1302",
    ErrorKind.TOO_MANY_UPLOADS: "1302",
}

ZHIPU = OPENAI.derive(
    "zhipu",
    "Zhipu GLM / Z.ai",
    documented(
        "zai SDK 0.2 and OpenAPI document of April 2026",
        base_urls=("https://open.bigmodel.cn/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        environment=("ZAI_API_KEY", "ZHIPUAI_API_KEY"),
        endpoints=("/v4/chat/completions",),
        required=("input_file_id", "endpoint"),
        deleting_field="auto_delete_input_file",
        limits={"batch_bytes": 100 * MB},
    ),
    documented(
        "OpenAPI document: counts also stand flat in the batch, where it has request_counts as an "
        "integer; the SDK has the object",
        shapes={
            "batch": OPENAI.shapes.batch.replace(" model ", " ").replace(" usage ", " ")
            + " total=request_counts.total completed=request_counts.completed"
            " failed=request_counts.failed",
        },
    ),
    documented(
        "OpenAPI document: errors",
        shapes={"error": "error.code error.message", "error_of_files": ""},
    ),
    inferred(
        "the table of error codes: 1000 to 1003 for keys, 121x for parameters, 1302 for rates",
        errors={
            reason: replace(words, code=CODES.get(reason, "1214"), headers={})
            for reason, words in OPENAI.errors.items()
        },
        headers={"x-request-id": "{request_id}"},
        snapshots={},
    ),
    unknown=(
        "which windows there are beside the one that a batch shows: here 24h alone",
        "whether result lines differ from OpenAI's",
        "the words of errors",
    ),
    left_out=(
        "10,000 lines for embedding models, which only the FAQ knows",
        "custom_ids of at least six characters (third parties)",
        "queue limits of a model; verification of the account",
    ),
)
