"""The Engine.IO server for gevent: WebSocket frames, connections, heartbeat, backpressure, shutdown."""
