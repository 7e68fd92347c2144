"""Providers of whom little is known, one paragraph each."""

from __future__ import annotations

from dataclasses import replace

from fakebatch.dialects.base import ErrorCode, ErrorKind
from fakebatch.dialects.facts import documented, inferred, observed
from fakebatch.dialects.openai import OPENAI

MB = 1024 * 1024
GB = 1024 * MB
CHAT = "/v1/chat/completions"

PLAIN = inferred(
    "nothing of OpenAI's own",
    headers={"x-request-id": "{request_id}"},
    shapes={"error_of_files": ""},
    snapshots={},
)

SILICONFLOW = OPENAI.derive(
    "siliconflow",
    "SiliconFlow",
    PLAIN,
    documented(
        "docs.siliconflow.cn, batch guide",
        base_urls=("https://api.siliconflow.cn/v1", "https://api.siliconflow.com/v1"),
        environment=("SILICONFLOW_API_KEY",),
        endpoints=(CHAT,),
        purposes=("batch",),
        window={"least": "24h", "most": "336h"},
        limits={"batch_lines": 5_000, "batch_bytes": GB, "file_bytes": GB},
        statuses={"validating": "in_queue"},
        model_field="replace.model",
        line_keys=("custom_id", "body"),
        batches_list={"shape": "object data", "cursor": ""},
        shapes={
            "file": "id object bytes createdAt=created_at filename purpose",
            "upload": 'code=20000 message="Ok" status=true data=file',
        },
    ),
    observed(
        "a client with notes of what came back",
        results_url="{base}/files/{id}/content?signature={signature}",
        shapes={"answered": "id custom_id response.body error trace_id=request_id"},
    ),
    inferred(
        "a client that reads both forms of errors",
        shapes={"error": "code=20015 message data=null"},
    ),
    unknown=(
        "whether a batch is first `validating`, as one sample shows: here it is in_queue",
        "where result files are: here below the API's own address",
        "numbers of errors",
    ),
    left_out=("the last message of a line must be the user's",),
)

DEEPINFRA = OPENAI.derive(
    "deepinfra",
    "DeepInfra",
    PLAIN,
    documented(
        "deepinfra.com, batch guide",
        base_urls=("https://api.deepinfra.com/v1/openai",),
        environment=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        endpoints=(CHAT, "/v1/completions", "/v1/embeddings"),
        shapes={
            "answered": "id custom_id response.status_code response.body error",
            "failed": (
                'id custom_id response=null error.code="invalid_request" '
                "error.message=body.error.message"
            ),
        },
    ),
    left_out=("100 batches at once", "refusing other endpoints only at validation"),
)

PARASAIL = OPENAI.derive(
    "parasail",
    "Parasail",
    PLAIN,
    documented(
        "openai_batch 0.3, kept by the vendor",
        base_urls=("https://api.parasail.io/v1",),
        environment=("PARASAIL_API_KEY",),
        endpoints=(CHAT, "/v1/embeddings"),
        limits={"batch_bytes": 500 * MB},
        ignored_errors=frozenset({ErrorCode.OTHER_MODEL}),
    ),
    unknown=("whether a batch has fewer keys, as a third party's OpenAPI document says",),
)

DOUBLEWORD = OPENAI.derive(
    "doubleword",
    "Doubleword",
    PLAIN,
    observed(
        "source of doublewordai/control-layer",
        base_urls=("https://api.doubleword.ai/v1",),
        environment=("DOUBLEWORD_API_KEY",),
        ids={"batch": "{uuid}", "file": "{uuid}"},
        answers={"batches.create": 201},
        ignored_errors=frozenset({ErrorCode.OTHER_MODEL}),
    ),
    left_out=(
        "a batch all of whose lines failed is `failed`; none is ever `expired`",
        "keys that the service adds to metadata; windows and endpoints of its configuration",
        "402 for a balance below zero, 400 for a file id that is no UUID, its words",
        "deleting and retrying batches",
    ),
)

NEBIUS = OPENAI.derive(
    "nebius",
    "Nebius Token Factory",
    PLAIN,
    documented(
        "docs.tokenfactory.nebius.com",
        base_urls=("https://api.tokenfactory.nebius.com/v1", "https://api.studio.nebius.com/v1"),
        environment=("NEBIUS_API_KEY",),
        endpoints=(CHAT, "/v1/embeddings"),
        limits={"batch_lines": 5_000_000, "batch_bytes": 10 * GB, "file_bytes": 10 * GB},
        model_field="override_settings.model",
    ),
    left_out=("the other override_settings, and their echo in the batch", "500 batches at once"),
)

LITELLM = OPENAI.derive(
    "litellm",
    "LiteLLM proxy",
    PLAIN,
    observed(
        "source of litellm 1.109: managed ids are base64, hundreds of characters, may end in =",
        base_urls=("http://localhost:4000/v1", "http://localhost:4000"),
        environment=("LITELLM_API_KEY",),
        ids={
            "file": (
                "base64:litellm_proxy:application/octet-stream;unified_id,{uuid};"
                "target_model_names,gpt-4o-mini;llm_output_file_id,file-{base58};"
                "llm_output_file_model_id,{hex}"
            ),
            "batch": "base64:litellm_proxy;model_id:{hex};llm_batch_id:batch_{stamp}",
        },
        shapes={"error": "error.message error.type error.param=null error.code=status_text"},
        errors={
            ErrorKind.CANNOT_CANCEL: replace(OPENAI.errors[ErrorKind.CANNOT_CANCEL], status=400)
        },
    ),
    left_out=(
        "the choice of a provider by path, header or target_model_names",
        "checking the input file while the batch is created, as it does for hosted_vllm",
    ),
)

OGX = OPENAI.derive(
    "ogx",
    "OGX / llama-stack",
    PLAIN,
    observed(
        "source of ogx, inline reference provider of batches",
        base_urls=("http://localhost:8321/v1",),
        auth={},
        endpoints=(CHAT, "/v1/completions", "/v1/embeddings"),
        ids={"batch": "batch_{hex16}", "request": "batch_req_{hex}"},
        ignored_errors=frozenset({ErrorCode.DUPLICATE_ID, ErrorCode.OTHER_MODEL}),
        results_purpose="batch",
        always_written_files=frozenset({"output", "errors"}),
        statuses={"finalizing": "in_progress"},
        window={"ends": False},
        shapes={
            "answered": (
                "id=request_id custom_id response.status_code response.request_id "
                "response.body=body_text"
            ),
            "failed": (
                'id=request_id custom_id error.type="request_failed" '
                "error.message=body.error.message"
            ),
        },
    ),
    left_out=("idempotency_key", "result files end without a newline", "its words for flaws"),
)
