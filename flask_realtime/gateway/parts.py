"""Parts of the gateway, shared by its modules."""

from __future__ import annotations

from dataclasses import dataclass

from flask_realtime.backends.backend import Backend
from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Registry
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.limits.limiter import Limiter
from flask_realtime.gateway.limits.peer_log import PeerLog
from flask_realtime.gateway.serving.server import SocketIOServer


@dataclass(frozen=True)
class Parts:
    """The parts of one application's gateway."""

    config: RealtimeConfig
    application: Application
    registry: Registry
    limiter: Limiter
    backend: Backend
    server: SocketIOServer
    delivery: Delivery
    peer_log: PeerLog
