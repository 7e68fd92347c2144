"""Webhooks: what the service tells of a batch that has ended, signed, at its moment."""

from fakebatch.webhooks.delivery import Delivery
from fakebatch.webhooks.sender import Sender
from fakebatch.webhooks.webhooks import Webhooks

__all__ = ["Delivery", "Sender", "Webhooks"]
