"""Webhooks: signed events for batches that have ended."""
