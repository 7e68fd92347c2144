"""Providers of this API, as data: the one folder that knows their names."""

from fakebatch.dialects.base import Dialect, Flaw, Limits, Reason, Refusal, Words
from fakebatch.dialects.openai import OPENAI

DIALECTS = {dialect.name: dialect for dialect in (OPENAI,)}

__all__ = ["DIALECTS", "OPENAI", "Dialect", "Flaw", "Limits", "Reason", "Refusal", "Words"]
