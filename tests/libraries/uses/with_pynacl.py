"""A timestamp that is signed."""

from datetime import UTC, datetime

from nacl.signing import SigningKey


def use() -> None:
    key, now = SigningKey.generate(), datetime.now(UTC).isoformat()
    assert key.verify_key.verify(key.sign(now.encode())) == now.encode()
