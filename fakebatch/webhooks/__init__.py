"""Webhooks: what the service tells of a batch that has ended, signed, at its moment."""
