"""A certificate that is valid today, and a token of PyJWT signed by its key."""

from datetime import UTC, datetime, timedelta

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519


def use() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    assert certificate.not_valid_before_utc == now

    token = jwt.encode({"exp": now + timedelta(hours=1)}, key, algorithm="EdDSA")
    claims = jwt.decode(token, key.public_key(), algorithms=["EdDSA"])
    assert claims["exp"] == now.timestamp() + 3600
