"""The clock of a test: frozen, and moved by sleeping. Useful on its own."""

from fakebatch.vtime.clock import Clock

__all__ = ["Clock"]
