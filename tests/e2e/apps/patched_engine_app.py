"""The engine's application as ``realtime.run`` serves it in production's way: whatever waits lets others have their turn."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402 - what is imported is to be patched

from tests.e2e.apps.engine_app import build  # noqa: E402

if __name__ == "__main__":
    application, extension = build()
    extension.run(application, host="127.0.0.1", port=int(os.environ["PORT"]))
