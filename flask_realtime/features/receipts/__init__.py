"""Receipts: to whom messages are delivered, and who has read them."""

from flask_realtime.features.receipts.api import ReceiptCalls
from flask_realtime.features.receipts.feature import receipts
from flask_realtime.features.receipts.hooks import ReceiptHooks
from flask_realtime.features.receipts.seen import DeliveryResult, SeenMessages

__all__ = ["DeliveryResult", "ReceiptCalls", "ReceiptHooks", "SeenMessages", "receipts"]
