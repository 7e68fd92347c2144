"""The virtual clock: the wall clock stands still, and sleeping moves it."""

from __future__ import annotations

from fakebatch.vtime.clock import Clock

__all__ = ["Clock"]
