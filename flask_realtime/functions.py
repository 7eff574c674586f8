"""`Realtime`'s calls as functions on the current application."""

from __future__ import annotations

from typing import Final

from flask_realtime.extension import Calls, current_gateway
from flask_realtime.feature.calls import Target


class _OnCurrentApplication(Calls):
    def _target(self) -> Target:
        return current_gateway().control


_calls: Final = _OnCurrentApplication()

emit_new_message = _calls.emit_new_message
emit_message_read = _calls.emit_message_read
emit_message_delivered = _calls.emit_message_delivered
emit_receipts = _calls.emit_receipts
emit_message_deleted = _calls.emit_message_deleted
emit_notification_to_user = _calls.emit_notification_to_user
emit_order_update = _calls.emit_order_update
send_to_user = _calls.send_to_user
send_to_conversation = _calls.send_to_conversation
broadcast_to_all = _calls.broadcast_to_all
is_user_online = _calls.is_user_online
get_online_users_count = _calls.get_online_users_count
get_user_status = _calls.get_user_status
get_online_users = _calls.get_online_users
get_presence = _calls.get_presence
set_presence = _calls.set_presence
set_privacy = _calls.set_privacy
get_user_connections = _calls.get_user_connections
disconnect_user = _calls.disconnect_user
disconnect_token = _calls.disconnect_token
remove_from_conversation = _calls.remove_from_conversation
emit = _calls.emit
log = _calls.log
state_of = _calls.state_of
