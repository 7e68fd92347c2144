"""A password of the day."""

from datetime import UTC, datetime

from argon2 import PasswordHasher


def use() -> None:
    hasher, password = PasswordHasher(1, 8, 1), datetime.now(UTC).date().isoformat()
    assert hasher.verify(hasher.hash(password), password)
