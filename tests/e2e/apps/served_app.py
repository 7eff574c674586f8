"""The contract application for servers that are given a module's variable, and through bridges from ASGI.

Run as a program, it is served by Flask's own `app.run()`, with the options that the variable `RUN_OPTIONS` holds as JSON.
"""

import json
import os

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi

from tests.e2e.apps.contract_app import create_app

app = create_app()
through_a2wsgi = WSGIMiddleware(app)  # type: ignore[arg-type]  # The protocols differ in a parameter's name.
through_asgiref = WsgiToAsgi(app)  # type: ignore[no-untyped-call]

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), **json.loads(os.environ.get("RUN_OPTIONS", "{}")))
