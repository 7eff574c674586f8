"""An application without the store: its server loads nothing of a database."""

import pytest

from tests.scripts import run_script

SERVED = """
from gevent import monkey
monkey.patch_all()
import sys
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from gevent.pywsgi import WSGIServer
from socketio import SimpleClient
from flask_realtime import Realtime

app = Flask("no_store")
app.config["JWT_SECRET_KEY"] = "0123456789abcdef" * 2
JWTManager(app)
realtime = Realtime(app)
realtime.authorize_join(lambda identity, conversation_id: True)
server = WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
with app.app_context():
    token = create_access_token("alice")
with SimpleClient() as client:
    client.connect(f"http://127.0.0.1:{server.server_port}", auth={"token": token})
    assert client.call("join:conversation", "1") == {"ok": True}
    realtime.emit_new_message("1", {"content": "hello"})
    while client.receive(timeout=10) != ["message:new", {"content": "hello"}]:
        pass
server.stop()
"""
LOADED = "print(sorted(sys.modules.keys() & {'flask_sqlalchemy', 'sqlalchemy'}))"


@pytest.mark.parametrize("script", ["import sys, flask_realtime, flask_realtime.cli, flask_realtime.testing", SERVED])
def test_nothing_of_a_database_is_loaded(script: str) -> None:
    assert run_script(f"{script}\n{LOADED}") == "[]\n"


def test_the_store_loads_it() -> None:
    assert run_script(f"import sys, flask_realtime.store\n{LOADED}") == "['flask_sqlalchemy', 'sqlalchemy']\n"
