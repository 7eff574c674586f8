"""HTTP requests about conversations, and their handlers, which ask the store."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from flask_realtime.errors import Forbidden
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.routes import Route
from flask_realtime.features.conversations import events
from flask_realtime.features.conversations.events import OneConversation
from flask_realtime.features.conversations.handlers import ConversationRooms
from flask_realtime.features.conversations.records import (
    ConversationChange,
    ConversationsQuery,
    MembersQuery,
    NewConversation,
    NewMembers,
    NewRole,
    OneMember,
)
from flask_realtime.features.conversations.roles import NOT_TAKING_PART
from flask_realtime.features.conversations.stored import StoredConversations

_ALL: Final = "/conversations"
_ONE: Final = "/conversations/<conversationId>"
_MEMBERS: Final = f"{_ONE}/members"
_MEMBER: Final = f"{_MEMBERS}/<userId>"
_PIN: Final = f"{_ONE}/pins/<messageId>"
_CHANGES: Final = "conversations"
_PAGES: Final = "pages"


def declare(feature: Feature[ConversationRooms]) -> None:
    """Declare the requests on the feature of conversations."""
    _declare_conversations(feature)
    _declare_members(feature)
    feature.add_routes(
        Route("PUT", _PIN, events.MESSAGE_PIN, HTTPStatus.NO_CONTENT),
        Route("DELETE", _PIN, events.MESSAGE_UNPIN, HTTPStatus.NO_CONTENT),
    )


def _declare_conversations(feature: Feature[ConversationRooms]) -> None:
    request, one = feature.request, events.ConversationPayload
    request(
        "GET",
        _ALL,
        payload=events.ConversationsQueryPayload,
        parse=events.parse_conversations_query,
        answer=list[events.ConversationPayload],
        limit=_PAGES,
    )(page)
    request(
        "POST",
        _ALL,
        payload=events.NewConversationPayload,
        parse=events.parse_new_conversation,
        answer=one,
        limit=_CHANGES,
        status=HTTPStatus.CREATED,
    )(create)
    reference, parse = events.ConversationReference, events.parse_conversation_reference
    request("GET", _ONE, payload=reference, parse=parse, answer=one, limit=_PAGES)(show)
    changed, parse_change = events.ConversationChangePayload, events.parse_conversation_change
    request("PATCH", _ONE, payload=changed, parse=parse_change, answer=one, limit=_CHANGES)(change)


def _declare_members(feature: Feature[ConversationRooms]) -> None:
    request = feature.request
    asked, answer = events.MembersQueryPayload, events.MembersPageAnswer
    request("GET", _MEMBERS, payload=asked, parse=events.parse_members_query, answer=answer, limit=_PAGES)(members)
    new, added = events.NewMembersPayload, events.MembersAnswer
    request("POST", _MEMBERS, payload=new, parse=events.parse_new_members, answer=added, limit=_CHANGES)(add_members)
    role, parse_role = events.NewRolePayload, events.parse_new_role
    request("PATCH", _MEMBER, payload=role, parse=parse_role, answer=dict[str, Any], limit=_CHANGES)(set_role)
    request(
        "DELETE",
        _MEMBER,
        payload=events.OneMemberPayload,
        parse=events.parse_one_member,
        answer=None,
        limit=_CHANGES,
        status=HTTPStatus.NO_CONTENT,
    )(remove_member)


def page(state: ConversationRooms, caller: Caller, query: ConversationsQuery) -> Any:
    """Return a page of the user's conversations: newest first, or with `order=activity` those of the last messages first."""
    stored = state.stored(f"GET {_ALL}")
    found = stored.of_user(caller.user_id, before=query.before, limit=query.limit, by_activity=query.by_activity)
    return stored.as_json(caller.user_id, found)


def create(state: ConversationRooms, caller: Caller, new: NewConversation) -> Any:
    """Create a conversation that the user owns, or return the direct one that two users have already."""
    stored = state.stored(f"POST {_ALL}")
    state.require_may_add(caller, new.participant_ids, f"POST {_ALL}")
    created = stored.create(new.participant_ids, new.title, new.type, caller.user_id, tell=True)
    return stored.as_json(caller.user_id, [created])[0]


def show(state: ConversationRooms, caller: Caller, request: OneConversation) -> Any:
    """Return a conversation."""
    return _shown(state.stored(f"GET {_ONE}"), request.conversation_id, caller.user_id)


def change(state: ConversationRooms, caller: Caller, wanted: ConversationChange) -> Any:
    """Give a conversation another title, which its owners and moderators may do, or mute it for the user."""
    stored = state.stored(f"PATCH {_ONE}")
    stored.change(wanted, caller.user_id)
    return _shown(stored, wanted.conversation_id, caller.user_id)


def _shown(stored: StoredConversations, conversation_id: str, user_id: str) -> Any:
    found = stored.get(conversation_id, user_id)
    if found is None:
        raise Forbidden(NOT_TAKING_PART)
    return stored.as_json(user_id, [found])[0]


def members(state: ConversationRooms, caller: Caller, query: MembersQuery) -> Any:
    """Return a page of the members of a conversation, in the order in which they came."""
    stored = state.stored(f"GET {_MEMBERS}")
    if not stored.has_participant(query.conversation_id, caller.user_id):
        raise Forbidden(NOT_TAKING_PART)
    found = stored.members.page(query.conversation_id, after=query.after, limit=query.limit)
    return events.members_page_answer(found, stored.members.as_json(found.members))


def add_members(state: ConversationRooms, caller: Caller, new: NewMembers) -> Any:
    """Add members to a conversation, which its owners and moderators may do, and return those who are new."""
    stored = state.stored(f"POST {_MEMBERS}").members
    state.require_may_add(caller, new.user_ids, f"POST {_MEMBERS}")
    return events.members_answer(stored.as_json(stored.add(new.conversation_id, new.user_ids, by=caller.user_id)))


def set_role(state: ConversationRooms, caller: Caller, new: NewRole) -> Any:
    """Give a member a role, which owners may do."""
    stored = state.stored(f"PATCH {_MEMBER}").members
    return stored.as_json([stored.set_role(new.conversation_id, new.user_id, new.role, by=caller.user_id)])[0]


def remove_member(state: ConversationRooms, caller: Caller, member: OneMember) -> None:
    """Remove a member: owners may remove anybody, moderators those of role `member`, and everybody may leave."""
    stored = state.stored(f"DELETE {_MEMBER}").members
    stored.remove(member.conversation_id, member.user_id, by=caller.user_id)
