"""What the service refuses in the body of a request: JSON Schemas and tables, as data."""

from fakebatch.bodies.judging import Judge, judge_of
from fakebatch.bodies.schema import BodyError

__all__ = ["BodyError", "Judge", "judge_of"]
