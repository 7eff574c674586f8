"""What the tests show that python-engineio's and gevent-websocket's own parts cannot do, and why.

With ``E2E_ENGINE=stock`` the servers have those parts. The tests named here are then expected to fail: one that passes is an error,
so that the list stays true.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import pytest

JSON_REFUSALS = "python-engineio refuses in words of its own"
CLOSE_CODES = "gevent-websocket drops the connection without a close code"
LATE_LIMIT = "gevent-websocket reads a message of any size before anybody looks at it"
NO_BACKLOG = "python-engineio queues without bound for whoever does not read"
NO_DEADLINE = "python-engineio waits for ever for CONNECT, for an upgrade, and for the rest of a request"
ZOMBIES = "python-engineio ends sessions and leaves their TCP connections open"
CANCELLED = "python-engineio does not notice a request that is cancelled"
PACKETS = "python-engineio ignores Engine.IO packets that must not come, and fails on some that may"
ONE_NOOP = "python-engineio ends the poll that waits when the probe comes, and no later one"
HEARTBEAT = "python-engineio's heartbeat is a greenlet that may ping late, and reads on"
NO_DRAIN = "gunicorn ends the worker without a word to its WebSockets"
CONNECTION_LIMIT = "every open WebSocket has a place in gunicorn's pool of connections"
SHAKES_FIRST = "gevent-websocket shakes hands before the application is asked, and fails on what is no key"
NO_HEAD = "gevent waits for ever for the rest of a request's head, and of a TLS handshake"
HEAVY = "python-engineio keeps a queue and a greenlet for each session"
LATE_TEXT = "gevent-websocket looks at a text when its message is complete"
UNFAIR = "gevent-websocket reads as long as there is something to read"

FAILS: dict[str, str] = {
    "*::test_long_polling_begins_with_open": JSON_REFUSALS,
    "*::test_the_times_are_told_to_the_millisecond": HEARTBEAT,
    "*::test_a_request_that_begins_nothing_is_refused_in_json[[]*": JSON_REFUSALS,
    "*::test_another_origin_is_refused_in_json": JSON_REFUSALS,
    "*::test_another_transport_or_protocol_within_a_session_is_refused[[]EIO=4*": JSON_REFUSALS,
    "*::test_a_session_on_websocket_cannot_be_polled": JSON_REFUSALS,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[]*-1007[]]": CLOSE_CODES,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[]88*": CLOSE_CODES,
    "*::test_a_close_frame_is_answered_with_its_code[[]?*-?*": CLOSE_CODES,
    "*::test_a_close_frame_may_come_between_fragments": CLOSE_CODES,
    "*::test_a_version_that_is_none_is_answered_with_those_that_are": SHAKES_FIRST,
    "*::test_an_upgrade_that_asks_for_none_is_answered_in_json": JSON_REFUSALS,
    "*::test_an_upgrade_that_begins_nothing_is_refused[[]*": SHAKES_FIRST,
    "*::test_an_upgrade_from_another_origin_is_refused": SHAKES_FIRST,
    "*::test_a_refused_upgrade_leaves_nothing_behind": SHAKES_FIRST,
    "*::test_an_application_below_a_prefix_is_no_different": SHAKES_FIRST,
    "*::test_over_tls_a_handshake_is_answered_and_refused_the_same": SHAKES_FIRST,
    "*::test_of_several_subprotocols_the_first_is_agreed_to": SHAKES_FIRST,
    "*::test_requests_that_come_with_their_connections_are_answered_like_those_that_come_later": SHAKES_FIRST,
    "*::test_the_first_request_of_all_is_answered_too[[]EIO=4&transport=websocket&sid=nobody[]]": SHAKES_FIRST,
}
"""Tests that fail, by pattern of their ids."""

WAITS: dict[str, str] = {
    "*::test_another_transport_or_protocol_within_a_session_is_refused[[]EIO=3*": JSON_REFUSALS,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[]8[123b9][0-9a-f]*-1002[]]": CLOSE_CODES,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[][0-79ac]*-1002[]]": CLOSE_CODES,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[]80*-1002[]]": CLOSE_CODES,
    "*::test_a_broken_frame_is_answered_with_its_close_code[[]*-1009[]]": LATE_LIMIT,
    "*::test_a_failure_inside_the_server_is_closed_with_1011": CLOSE_CODES,
    "*::test_pings_come_at_the_interval_and_go_on_when_answered": HEARTBEAT,
    "*::test_any_packet_while_a_pong_is_awaited_extends_the_wait_once": HEARTBEAT,
    "*::test_long_polling_is_pinged_and_timed_out_too": HEARTBEAT,
    "*::test_a_full_mailbox_is_no_reason_to_time_out": HEARTBEAT,
    "*::test_a_post_is_answered_ok": PACKETS,
    "*::test_several_packets_come_and_go_in_one_payload": PACKETS,
    "*::test_a_polling_request_carries_so_many_packets_and_no_more": PACKETS,
    "*::test_close_ends_the_session_and_its_poll": PACKETS,
    "*::test_a_malformed_payload_ends_the_session_and_its_poll[[]*": PACKETS,
    "*::test_packets_that_mean_nothing_here_are_ignored[[]*": PACKETS,
    "*::test_a_payload_that_is_too_large_is_refused_and_the_session_lives_on": PACKETS,
    "*::test_a_payload_as_binary_data_ends_the_session": PACKETS,
    "*::test_a_packet_that_a_client_must_not_send_closes[[][!1]*": PACKETS,
    "*::test_a_second_poll_ends_the_session": JSON_REFUSALS,
    "*::test_a_second_post_ends_the_session": JSON_REFUSALS,
    "*::test_a_cancelled_poll_ends_the_session": CANCELLED,
    "*::test_a_cancelled_post_ends_the_session": CANCELLED,
    "*::test_an_upgrade_moves_the_session_with_nothing_lost": PACKETS,
    "*::test_polls_during_the_probe_bring_what_is_sent_or_nothing": PACKETS,
    "*::test_polls_end_for_as_long_as_the_probe_takes": ONE_NOOP,
    "*::test_an_upgraded_session_has_its_heartbeat": ZOMBIES,
    "*::test_a_second_probe_is_closed_and_the_first_goes_on": PACKETS,
    "*::test_a_probe_goes_with_its_session": ZOMBIES,
    "*::test_an_upgrade_that_is_not_completed_is_given_up": NO_DEADLINE,
    "*::test_who_connects_to_no_namespace_in_time_is_closed[[]*": NO_DEADLINE,
    "*::test_the_connect_time_out_holds_for_long_polling": NO_DEADLINE,
    "*::test_who_connected_in_time_stays": NO_DEADLINE,
    "*::test_who_never_connects_is_dropped": NO_DEADLINE,
    "*::test_peers_that_never_connect_are_gone_with_their_tcp": NO_DEADLINE,
    "*::test_half_a_body_is_given_up": NO_DEADLINE,
    "*::test_a_handshake_that_is_none_is_refused_and_nobody_reads_of_it[[]*": SHAKES_FIRST,
    "*::test_an_upgrade_with_another_method_is_refused": SHAKES_FIRST,
    "*::test_an_upgrade_within_a_session_is_refused_if_it_is_not_the_one_to_come": SHAKES_FIRST,
    "*::test_a_request_whose_head_does_not_end_is_given_up[[]*": NO_HEAD,
    "*::test_a_head_that_comes_byte_by_byte_is_given_up": NO_HEAD,
    "*::test_an_idle_connection_is_kept_and_half_a_second_request_is_not": NO_HEAD,
    "*::test_a_tls_handshake_that_does_not_end_is_given_up": NO_HEAD,
    "*::test_a_frame_that_is_too_large_ends_the_connection_before_it_is_read": LATE_LIMIT,
    "*::test_fragments_that_are_too_large_together_end_the_connection": LATE_LIMIT,
    "*::test_a_frame_over_the_limit_is_refused_at_its_header[[]*": LATE_LIMIT,
    "*::test_fragments_over_the_limit_are_refused_at_the_header_that_passes_it[[]*": LATE_LIMIT,
    "*::test_fragments_without_end_take_no_memory": LATE_LIMIT,
    "*::test_attachments_over_the_limit_are_not_held": UNFAIR,
    "*::test_who_reads_nothing_is_cut_off_and_holds_nobody_up": NO_BACKLOG,
    "*::test_a_stalled_reader_*": NO_BACKLOG,
    "*::test_a_session_that_is_never_polled_keeps_no_more_than_its_backlog": NO_BACKLOG,
    "*::test_typing_and_presence_are_dropped_at_half_the_backlog": NO_BACKLOG,
    "*::test_peers_that_never_pong_are_gone_with_their_tcp[[]*": ZOMBIES,
    "*::test_half_a_frame_holds_nobody_up": ZOMBIES,
    "*::test_a_burst_of_events_that_need_no_application_leaves_time_for_others": UNFAIR,
    "*::test_reading_pauses_while_the_application_is_behind": UNFAIR,
    "*::test_more_sockets_than_worker_connections_leave_plain_http_answering": CONNECTION_LIMIT,
    "*::test_a_mass_disconnect_takes_time_in_proportion": CONNECTION_LIMIT,
    "*::test_sigterm_*": NO_DRAIN,
    "*::test_no_packet_lifts_the_connect_time_out_but_an_admission[[]4*": NO_DEADLINE,
    "*::test_who_was_let_in_stays_past_the_time_out": NO_DEADLINE,
    "*::test_text_that_is_none_is_refused_before_its_message_is_complete[[]frame[]]": LATE_TEXT,
    "*::test_text_that_is_none_is_refused_before_its_message_is_complete[[]small-frame[]]": LATE_TEXT,
    "*::test_text_that_is_none_is_refused_before_its_message_is_complete[[]*fragment[]]": LATE_TEXT,
    "*::test_who_left_the_last_namespace_has_the_time_out_again[[]*": NO_DEADLINE,
    "*::test_a_session_that_is_not_admitted_keeps_what_authentication_needs[[]*": HEAVY,
    "*::test_a_message_before_admission_is_refused_at_its_header": LATE_LIMIT,
    "*::test_who_is_admitted_may_send_more": LATE_LIMIT,
    "*::test_who_has_left_may_send_little_again": LATE_LIMIT,
    "*::test_a_session_whose_connects_are_refused_again_and_again_ends": ZOMBIES,
    "*::test_acknowledgements_that_nothing_waits_for_are_counted[[]*": ZOMBIES,
    "*::test_an_acknowledgement_has_the_bound_of_an_event[[]65537*": ZOMBIES,
    "*::test_comings_and_goings_of_one_session_are_counted[[]*": ZOMBIES,
    "*::test_malformed_packets_fill_no_log[[]*": ZOMBIES,
}
"""Tests that fail after waiting for what never comes, or that depend on how much the server had to bear: they are not run."""


def mark_known_failures(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that the stock parts fail."""
    for item in items:
        for patterns, run in ((FAILS, True), (WAITS, False)):
            for pattern, reason in patterns.items():
                if fnmatchcase(item.nodeid, pattern):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run=run))
