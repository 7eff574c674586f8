"""Serving: the Socket.IO server of an application, and its mode on the web server."""
