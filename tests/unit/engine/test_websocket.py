"""A connection whose peer is gone before it is read for the first time."""

import socket
import subprocess
import sys
from contextlib import closing

RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"

PROGRAM = """
import sys
import gevent
from flask_realtime.counts import Counts
from flask_realtime.engine.websocket import WebSocket

class Receiver:
    lost = []
    def on_lost(self, reason):
        self.lost.append(reason)

websocket = WebSocket(int(sys.argv[1]), Receiver(), 1000, 1000, Counts())
websocket.write(b"x")
websocket.run()
gevent.sleep(0.01)
print(Receiver.lost)
"""


def test_a_peer_that_was_gone_at_the_first_write_does_not_end_the_process() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        with closing(server):
            command = [sys.executable, "-c", PROGRAM, str(server.fileno())]
            done = subprocess.run(command, pass_fds=[server.fileno()], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "['transport error']\n"), done.stderr
