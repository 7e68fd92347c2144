"""Alibaba Cloud Model Studio (DashScope, Qwen), in its OpenAI-compatible mode."""

from __future__ import annotations

from fakebatch.dialects.base import ErrorCode, ErrorKind, ErrorTemplate
from fakebatch.dialects.facts import documented, inferred, observed
from fakebatch.dialects.openai import OPENAI

MB = 1024 * 1024
RECORDED = "snapshot tests of Cnblogs.DashScope.Sdk, April 2026"

DASHSCOPE = OPENAI.derive(
    "dashscope",
    "DashScope / Qwen",
    documented(
        "help.aliyun.com, Batch (OpenAI-compatible)",
        base_urls=(
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        ),
        environment=("DASHSCOPE_API_KEY",),
        endpoints=("/v1/chat/completions", "/v1/embeddings"),
        window={"units": "hd", "least": "24h", "most": "336h"},
        limits={
            "batch_bytes": 500 * MB,
            "batch_files": 10_000,
            "creates_per_hour": 60_000,
        },
        ignored_errors=frozenset({ErrorCode.STREAMING}),
        pace={"keeps_batch_files": None},
        snapshots={},
    ),
    observed(
        RECORDED,
        ids={
            "batch": "batch_{uuid}",
            "file": "file-batch-{hex24}",
            "output": "file-batch_output-{hex24}",
            "errors": "file-batch_output-{hex24}",
        },
        shapes={
            "batch": OPENAI.shapes.batch.replace("expires_at", "expires_at=null")
            .replace("request_counts", "request_counts=counts_to_the_end")
            .replace(" model ", " ")
            .replace(" usage ", " "),
        },
        batches_list={"shape": "object data=data_or_null first_id last_id has_more"},
        batch_errors={
            ErrorCode.BAD_URL: ErrorTemplate(
                "The provided url '{value}' is not supported by the Batch API.",
                code="url_not_found",
                param="url",
            ),
        },
    ),
    documented(
        "help.aliyun.com: sample of a result line",
        shapes={
            "answered": (
                "id=request_id custom_id response.status_code response.request_id response.body "
                "error"
            ),
            "lost": "id=request_id custom_id response=null error",
        },
    ),
    documented(
        "help.aliyun.com: an error carries the id of its request",
        shapes={
            "error": ("error.message error.type error.param error.code request_id=request_id"),
            "error_of_files": "",
        },
        headers={"x-request-id": "{request_id}"},
    ),
    inferred(
        "codes of other DashScope APIs",
        ids={"call": "{uuid}"},
        errors={
            ErrorKind.NO_KEY: ErrorTemplate(
                "You didn't provide an API key.", code="invalid_api_key", status=401
            ),
            ErrorKind.WRONG_KEY: ErrorTemplate(
                "Incorrect API key provided.", code="invalid_api_key", status=401
            ),
        },
    ),
    unknown=(
        "the purposes of uploads other than batch",
        "the HTTP status of a cancel that comes too late",
        "the words of most validation errors",
    ),
    left_out=(
        "the endpoint /v1/chat/ds-test with its model batch-test-model",
        "an OSS address in place of input_file_id",
        "6 MB a line, one thinking mode a file, 100 GB an account, 1,000 unfinished batches",
        "ds_name, ds_description and the callback in metadata; the filters of lists",
        "the host of a workspace, {WorkspaceId}.ap-southeast-1.maas.aliyuncs.com",
        "validation that ends within the second of the creation: `schedule(validating=0)`",
    ),
)
