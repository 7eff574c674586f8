"""A TLS end in front of a server that speaks plainly, as stunnel or a load balancer is one."""

from __future__ import annotations

import asyncio
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from types import TracebackType

import trustme


class TlsProxy:
    """Speaks TLS with its clients, and forwards what they say to a port of this machine.

    Args:
        target: The port.
        certificate: What it shows to its clients.
        authority: The one whose certificates clients have to show; None if they need none.
    """

    def __init__(self, target: int, certificate: trustme.LeafCert, authority: trustme.CA | None = None) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        if authority is not None:
            authority.configure_trust(self._context)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)  # Refused handshakes are what is tested.
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._forward, "127.0.0.1", 0, ssl=self._context))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> TlsProxy:  # noqa: PYI034 - Python 3.10 has no `Self`
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        from_target, to_target = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_copy(reader, to_target), _copy(from_target, writer))
        finally:
            writer.transport.abort()
            to_target.transport.abort()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
