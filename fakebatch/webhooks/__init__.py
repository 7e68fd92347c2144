"""Webhooks: what the service tells of a batch that has ended, signed, at its moment."""

from fakebatch.webhooks.courier import Courier
from fakebatch.webhooks.delivery import Delivery
from fakebatch.webhooks.webhooks import Webhooks

__all__ = ["Courier", "Delivery", "Webhooks"]
