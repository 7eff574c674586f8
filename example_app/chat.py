"""The chat. The extension brings it; its users, and the rules about them, are the example's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from example_app.extensions import db, realtime
from example_app.limits import PARTICIPANTS_OF_USER, take
from example_app.models import find_users, store
from example_app.serializers import Json, user_json
from flask_realtime import Identity
from flask_realtime.chat import Chat


def public_users(user_ids: Collection[str]) -> dict[str, Json]:
    """Map ids of users to what others see of them."""
    return {user_id: user_json(user) for user_id, user in find_users(user_ids).items()}


chat = Chat(realtime, store, users=public_users)


@realtime.may_see_analytics
def may_see_analytics(identity: Identity) -> bool:
    """Let administrators see the figures of the application."""
    return bool(identity.user.is_administrator)


@realtime.may_add_members
def has_allowance(identity: Identity, user_ids: Sequence[str]) -> bool:
    """Count those whom a user adds to conversations; a conversation with nobody else counts too."""
    take(PARTICIPANTS_OF_USER, identity.user_id, max(1, len(set(user_ids) - {identity.user_id})))
    db.session.commit()
    return True


@realtime.presence_audience
def companions(user_id: str) -> Iterable[str]:
    """Tell of a user's presence to those who share a conversation with the user."""
    return store.conversations.members.companions(user_id)


@realtime.may_see_presence
def visible_users(identity: Identity, user_ids: list[str]) -> Iterable[str]:
    """Let users ask for the presence of those with whom they share a conversation."""
    return store.conversations.members.companions(identity.user_id, among=user_ids)
