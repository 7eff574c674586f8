"""The Socket.IO server of an application, and how it works on the web server that serves it."""
