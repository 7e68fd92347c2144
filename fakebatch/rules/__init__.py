"""What shall happen: rules as frozen data, the same in Python, in TOML and in messages."""
