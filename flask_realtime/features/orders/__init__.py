"""Orders: updates to their users."""

from flask_realtime.features.orders.api import OrderCalls
from flask_realtime.features.orders.feature import orders

__all__ = ["OrderCalls", "orders"]
