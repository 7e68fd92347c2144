"""The default answer of /v1/videos: a job that has just been queued; nobody films it."""

from __future__ import annotations

from typing import Any

from fakebatch.replies.question import Question


def echo(question: Question) -> dict[str, Any]:
    """A video job. The guide says that a batch only starts it; its end is asked for elsewhere."""
    return {
        "id": "video_" + question.digits()[:48],
        "object": "video",
        "created_at": question.created,
        "status": "queued",
        "completed_at": None,
        "error": None,
        "expires_at": None,
        "model": question.model,
        "progress": 0,
        "prompt": question.body.get("prompt"),
        "remixed_from_video_id": None,
        "seconds": str(question.body.get("seconds") or "4"),
        "size": question.body.get("size") or "720x1280",
    }
