"""The timeline in the report of a failing test: as data, and as text."""
