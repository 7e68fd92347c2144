"""Providers of this API, as data: the one folder that knows their names."""

from fakebatch.dialects.azure import AZURE
from fakebatch.dialects.base import (
    APIError,
    Dialect,
    ErrorCode,
    ErrorKind,
    ErrorTemplate,
    Limits,
    canonical,
)
from fakebatch.dialects.choosing import chosen
from fakebatch.dialects.dashscope import DASHSCOPE
from fakebatch.dialects.facts import documented, inferred, observed
from fakebatch.dialects.groq import GROQ
from fakebatch.dialects.knobs import Listing, Shapes, Window
from fakebatch.dialects.moonshot import MOONSHOT
from fakebatch.dialects.openai import OPENAI
from fakebatch.dialects.openai_2024 import OPENAI_2024
from fakebatch.dialects.others import (
    DEEPINFRA,
    DOUBLEWORD,
    LITELLM,
    NEBIUS,
    OGX,
    PARASAIL,
    SILICONFLOW,
)
from fakebatch.dialects.shape import shaped
from fakebatch.dialects.zhipu import ZHIPU

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        *(OPENAI, MOONSHOT, AZURE, DASHSCOPE, GROQ, ZHIPU, SILICONFLOW),
        *(DEEPINFRA, PARASAIL, DOUBLEWORD, NEBIUS, LITELLM, OGX, OPENAI_2024),
    )
}

__all__ = [
    "DIALECTS",
    "OPENAI",
    "APIError",
    "Dialect",
    "ErrorCode",
    "ErrorKind",
    "ErrorTemplate",
    "Limits",
    "Listing",
    "Shapes",
    "Window",
    "canonical",
    "chosen",
    "documented",
    "inferred",
    "observed",
    "shaped",
]
