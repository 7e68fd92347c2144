"""What happened, for the report of a failing test: as data, and as text."""
