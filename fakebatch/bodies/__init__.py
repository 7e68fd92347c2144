"""What the service refuses in the body of a request: JSON Schemas and tables, as data."""

from fakebatch.bodies.judging import BodyError, Judge, judge_of

__all__ = ["BodyError", "Judge", "judge_of"]
