"""Log probabilities of default replies: the text is cut into the tokens that its usage counts."""

from __future__ import annotations

from itertools import islice
from math import log
from string import ascii_lowercase
from typing import Any

from fakebatch.replies.request import CHARACTERS

Candidate = tuple[str, float]
"""A token and its log probability."""


def candidates(text: str, most: Any) -> list[list[Candidate]]:
    """For each token of a text the likeliest tokens, at least itself and at most `most` of them.

    The token itself has 90 %, each further one half of what is left.
    """
    count = most if type(most) is int and 1 <= most <= 20 else 1
    shares = [log(0.9), *(log(0.1 / 2**place) for place in range(1, count))]
    tokens = (text[start:][:CHARACTERS] for start in range(0, len(text), CHARACTERS))
    likeliest = ([token, *ascii_lowercase.replace(token, "")] for token in tokens)
    return [[*zip(islice(each, count), shares, strict=True)] for each in likeliest]


def by_token(text: str, most: Any) -> list[dict[str, Any]]:
    """The entries of chat completions and responses; without `most` they have no alternatives."""
    return [
        {**_entry(likeliest[0]), "top_logprobs": [*map(_entry, likeliest)] if most else []}
        for likeliest in candidates(text, most)
    ]


def _entry(candidate: Candidate) -> dict[str, Any]:
    token, logprob = candidate
    return {"token": token, "logprob": logprob, "bytes": [*token.encode("utf-8", "surrogatepass")]}


def by_list(text: str, most: Any) -> dict[str, Any]:
    """The `logprobs` of /v1/completions."""
    rows = candidates(text, most)
    return {
        "text_offset": [*range(0, len(text), CHARACTERS)],
        "token_logprobs": [row[0][1] for row in rows],
        "tokens": [row[0][0] for row in rows],
        "top_logprobs": [dict(row) for row in rows] if most else None,
    }
