"""Chat: conversations with all that people expect of them, in an application of a few lines.

::

    store = Store(db, define_models(db, log=True))
    chat = Chat(realtime, store, users=find_users)
    app.register_blueprint(chat.blueprint)

Clients then send, edit and delete messages, react and reply to them, read, search and pin them by events of Socket.IO and by
requests of HTTP alike; see the reference of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_realtime.database.users import FindUsers
from flask_realtime.errors import RegistrationError
from flask_realtime.extension import BUILT_IN, Realtime
from flask_realtime.features.notifications.records import NotificationRecord
from flask_realtime.rest import Authenticate, rest_blueprint
from flask_realtime.signatures import check_hook, check_options
from flask_realtime.store import Store


class Chat:
    """Conversations, messages and notifications of one application, over Socket.IO and over HTTP.

    Create it before `realtime.init_app`, and register its `blueprint` on the application.

    Args:
        realtime: The extension object.
        store: The store; with a log, no event is lost.
        users: Maps ids of users to what clients see of them, such as `{"id": "7", "username": "ann"}`. Who is not in the
            result does not exist, and cannot be added to a conversation.
        authenticate: Returns the identity of the user who sends the current request, or refuses it; by default Flask-JWT-Extended
            verifies its access token.
        notification_json: Returns a notification as clients get it; by default an object of the record's fields.
        url_prefix: The prefix of the requests' paths.

    Attributes:
        blueprint: The requests.

    Raises:
        RegistrationError: The application serves connections already, a hook that the store implements has a function already, a
            function cannot be called with its argument, or there is no store.
    """

    def __init__(  # noqa: PLR0913 - what an application chooses
        self,
        realtime: Realtime,
        store: Store,
        *,
        users: FindUsers,
        authenticate: Authenticate | None = None,
        notification_json: Callable[[NotificationRecord], Any] | None = None,
        url_prefix: str = "/api",
    ) -> None:
        if not isinstance(store, Store):
            msg = f"Chat takes the Store object, not {store!r}; make it first: Store(db, define_models(db))."
            raise RegistrationError(msg)
        check_hook("Chat(users=...)", users, ("user_ids",))
        check_options("Chat", {"authenticate": (authenticate, ()), "notification_json": (notification_json, ("notification",))})
        store.register(realtime, users=users, notification_json=notification_json)
        self.blueprint = rest_blueprint("chat", BUILT_IN, authenticate, url_prefix=url_prefix)
