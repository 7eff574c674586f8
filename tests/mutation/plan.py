"""The tests that are to see a module's faults: those that need no server process first, the others for what is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]


class Suite(NamedTuple):
    """The tests of some modules.

    Args:
        fast: Paths under `tests/` that start no server; run first.
        slow: Paths under `tests/` that do, or that take minutes; run for what the first ones miss.
    """

    fast: Sequence[str]
    slow: Sequence[str] = ()

    @property
    def stages(self) -> list[Sequence[str]]:
        """The fast ones in the order in which they are tried: most faults are seen by the first, which take a second."""
        first = [test for test in self.fast if test.startswith(("unit/", "contract"))]
        return [stage for stage in (first, [test for test in self.fast if test not in first]) if stage]


_APPLICATIONS: Final = ("integration/test_extension.py", "integration/test_hook_calls.py", "integration/test_testing.py")
_FEATURES: Final = "integration/test_own_features.py"
_WIRE: Final = ("integration/test_packets.py", "integration/test_admission.py", "integration/test_namespaces.py")
_GATEWAY: Final = (
    *_WIRE,
    *_APPLICATIONS,
    _FEATURES,
    "integration/test_bounds.py",
    "integration/test_adoption.py",
    "integration/test_log_lines.py",
    "integration/features/test_authentication_revocation.py",
)
_BUILT_IN: Final = "integration/test_built_in_features.py"
_DECLARED: Final = ("unit/test_hooks.py", "unit/test_registration.py", _BUILT_IN, "integration/test_describing.py")
_PROCESSES: Final = ("integration/test_two_servers.py", "integration/test_commands.py", "integration/test_emitter.py")
_ENGINE: Final = "integration/test_engine_requests.py"
_ENGINE_E2E: Final = ("e2e/test_engine_conformance.py", "e2e/test_engine_bad_clients.py")
_REDIS: Final = (
    "contract",
    "integration/backends/test_redis_presence.py",
    "integration/backends/test_redis_departures.py",
    "integration/backends/test_redis_link.py",
    "integration/backends/test_redis_bus.py",
)
_BUSES: Final = Suite(
    ("unit/backends/test_outbox.py", "unit/backends/test_broker_bus.py", "unit/backends/test_send_queue.py"),
    ("integration/backends/test_redis_bus.py",),
)
_EXAMPLE_API: Final = (
    "integration/example/test_example_api.py",
    "integration/example/test_example_events.py",
    "integration/example/test_example_queries.py",
)
_EXAMPLE_LOGINS: Final = ("integration/example/test_example_limits.py", "integration/example/test_example_auth.py")
_EXAMPLE_PUSH: Final = Suite(("integration/example/test_example_push.py",), _EXAMPLE_API)
_STORE: Final = (
    "integration/store/test_store_models.py",
    "integration/store/test_store_operations.py",
    "integration/store/test_store_queries.py",
    "integration/store/test_store_races.py",
    "integration/store/test_store_sends.py",
    "integration/store/test_store_sequences.py",
    "integration/store/test_store_receipts.py",
    "integration/store/test_store_read_rows.py",
    "integration/store/test_store_jobs.py",
)
_MODELS: Final = Suite(_STORE[:1], (*_STORE[1:], *_EXAMPLE_API))
_MEMBERS: Final = (
    "integration/store/test_store_members_model.py",
    "integration/store/test_store_members_races.py",
    "integration/features/test_conversations.py",
)
_OPERATIONS: Final = Suite(_STORE[1:2], (*_STORE[2:], *_EXAMPLE_API))

_SEARCHES: Final = Suite(
    ("integration/store/test_store_search.py",),
    ("integration/store/test_store_search_queries.py", "integration/test_search_requests.py"),
)
_KEPT: Final = Suite(("unit/gateway/test_recovery_kept.py",), ("e2e/test_recovery_restart.py",))

PLAN: Final[dict[str, Suite]] = {
    "flask_realtime/checks": Suite(
        ("integration/test_checks.py", "integration/test_checks_database.py"), ("e2e/test_setup_warnings.py",)
    ),
    "flask_realtime/describe": Suite(
        ("unit/test_describe.py", "integration/test_describing.py", "docs/test_reference.py"), ("e2e/test_types.py",)
    ),
    "flask_realtime/describe/openapi.py": Suite(("integration/test_chat.py",)),
    "flask_realtime/rest": Suite(("integration/test_chat.py", "integration/features/test_conversations.py"), _EXAMPLE_API),
    "flask_realtime/allowances.py": Suite(("unit/gateway/test_limits.py", *_GATEWAY), ("e2e/test_limits.py",)),
    "flask_realtime/features/typing_indicators": Suite(
        (
            "unit/features/test_typing_indicators.py",
            "unit/features/test_typing_indicators_elsewhere.py",
            *_DECLARED,
            *_GATEWAY,
            "integration/test_two_servers.py",
        ),
        ("e2e/features/test_typing_indicators.py",),
    ),
    "flask_realtime/features/messages": Suite(
        (
            "unit/contract/test_payloads.py",
            "unit/test_calls.py",
            *_DECLARED,
            "integration/features/test_messages.py",
            "integration/features/test_messages_changed.py",
        ),
        ("e2e/features/test_messages.py", "e2e/features/test_messages_sent.py"),
    ),
    "flask_realtime/features/notifications": Suite(
        (
            "unit/features/test_notifications_push.py",
            "unit/test_calls.py",
            *_DECLARED,
            "integration/features/test_notifications_critical.py",
            "integration/features/test_notifications_push.py",
            "integration/store/test_store_operations.py",
        ),
        ("e2e/features/test_notifications.py", "e2e/features/test_notifications_critical.py"),
    ),
    "flask_realtime/jobs": Suite(
        (
            "unit/jobs",
            "integration/store/test_store_jobs.py",
            "integration/features/test_notifications_critical.py",
            "integration/features/test_notifications_celery.py",
        ),
        ("e2e/features/test_notifications_critical.py",),
    ),
    "flask_realtime/cli/jobs.py": Suite(("integration/test_job_commands.py",)),
    "flask_realtime/cli/log.py": Suite(("integration/test_log_commands.py",)),
    "flask_realtime/cli/database.py": Suite(("integration/test_log_commands.py",)),
    "flask_realtime/cli/stats.py": Suite(("integration/test_analytics_requests.py",)),
    "flask_realtime/features/analytics": Suite(
        ("unit/features/test_analytics.py", "integration/test_analytics_requests.py", "integration/store/test_store_analytics.py"),
        ("e2e/features/test_analytics.py",),
    ),
    "flask_realtime/cli/admin.py": Suite(("integration/test_admin_command.py",)),
    "flask_realtime/features/administration": Suite(
        ("unit/features/test_administration.py", "integration/features/test_administration.py"),
        ("e2e/features/test_administration.py",),
    ),
    "flask_realtime/gateway/server_view.py": Suite(
        ("integration/features/test_administration.py",), ("e2e/features/test_administration.py",)
    ),
    "flask_realtime/features/search/models.py": _SEARCHES,
    "flask_realtime/features/search/index_store.py": _SEARCHES,
    "flask_realtime/features/search/store.py": _SEARCHES,
    "flask_realtime/features/search": Suite(("unit/test_search.py", "integration/test_search_requests.py"), _SEARCHES.fast),
    "flask_realtime/features/receipts/cursor_store.py": Suite(
        (_STORE[6],), (*_STORE[1:4], "integration/features/test_receipts.py")
    ),
    "flask_realtime/features/receipts/row_store.py": Suite((_STORE[7],), ("integration/features/test_receipts.py", _STORE[0])),
    "flask_realtime/features/receipts/store.py": Suite(
        (_STORE[6], _STORE[7], "integration/store/test_store_log.py"), ("integration/features/test_receipts.py",)
    ),
    "flask_realtime/features/receipts/models.py": Suite(_STORE[:1], (_STORE[7],)),
    "flask_realtime/features/receipts": Suite(
        ("unit/features/test_receipts.py", "unit/test_calls.py", *_DECLARED, "integration/features/test_receipts.py"),
        ("e2e/features/test_receipts.py",),
    ),
    "flask_realtime/features/reactions/store.py": Suite(
        ("integration/store/test_store_reactions.py",), ("integration/features/test_reactions.py",)
    ),
    "flask_realtime/features/reactions/models.py": Suite(_STORE[:1], ("integration/store/test_store_reactions.py",)),
    "flask_realtime/features/reactions": Suite(
        ("unit/features/test_reactions.py", *_DECLARED, "integration/features/test_reactions.py"),
        ("e2e/features/test_reactions.py",),
    ),
    "flask_realtime/features/log": Suite(
        (
            "unit/features/test_log.py",
            "unit/contract/test_payloads.py",
            "unit/test_calls.py",
            "integration/store/test_store_log.py",
            "integration/store/test_store_repeated_text.py",
            "integration/features/test_log.py",
        ),
        ("integration/store/test_store_migrations.py", "e2e/features/test_log.py"),
    ),
    "flask_realtime/features/presence/departures.py": Suite(
        ("unit/features/test_presence_departures.py", "integration/test_recovery.py"), ("integration/test_recovery_two_servers.py",)
    ),
    "flask_realtime/features/presence/models.py": Suite(
        ("integration/store/test_store_presence.py",), ("integration/store/test_store_migrations.py", _STORE[0])
    ),
    "flask_realtime/features/presence/store.py": Suite(("integration/store/test_store_presence.py",)),
    "flask_realtime/features/presence/turns.py": Suite(
        ("unit/features/test_presence_turns.py",), ("e2e/features/test_presence.py",)
    ),
    "flask_realtime/features/presence": Suite(
        (
            "unit/features/test_presence.py",
            "unit/features/test_presence_announcements.py",
            "unit/features/test_presence_settings.py",
            "unit/features/test_presence_told.py",
            *_DECLARED,
            "integration/features/test_presence.py",
        ),
        (
            "integration/features/test_presence_healing.py",
            "integration/features/test_presence_two_servers.py",
            "integration/test_recovery_two_servers.py",
            "integration/store/test_store_presence.py",
            "integration/test_two_servers.py",
            "e2e/features/test_presence.py",
            "e2e/features/test_presence_rates.py",
        ),
    ),
    "flask_realtime/features": Suite(
        (
            "unit/features/test_presence.py",
            "unit/features/test_presence_announcements.py",
            "unit/features/test_conversations.py",
            "unit/test_calls.py",
            *_DECLARED,
            *_GATEWAY,
            "integration/test_two_servers.py",
        ),
        ("e2e/features/test_presence.py", "e2e/features/test_messages.py", "e2e/features/test_conversations.py"),
    ),
    "flask_realtime/contract/ids.py": Suite(
        ("unit/contract/test_ids.py", "unit/contract/test_payloads.py", "integration/test_bounds.py"), ("e2e/test_answers.py",)
    ),
    "flask_realtime/contract/records.py": Suite(("contract/test_records.py",)),
    "flask_realtime/contract/json.py": Suite(("unit/contract/test_json.py", *_GATEWAY), ("e2e/test_answers.py",)),
    "flask_realtime/contract/reasons.py": Suite(("integration/test_two_servers.py", *_GATEWAY), ("e2e/test_drain.py",)),
    "flask_realtime/contract": Suite(
        ("unit/contract/test_payloads.py", "unit/contract/test_ids.py", "unit/test_describe.py", "unit/test_hooks.py", *_GATEWAY),
        ("e2e/test_answers.py",),
    ),
    "flask_realtime/gateway/inspection.py": Suite(("integration/test_commands.py",)),
    "flask_realtime/metrics": Suite(("unit/test_metrics.py", "integration/test_metrics.py"), ("e2e/test_metrics.py",)),
    "flask_realtime/gateway/scrape": Suite(
        ("integration/test_metrics.py", "integration/test_scrape_sockets.py", "integration/test_readings.py"),
        ("e2e/test_metrics.py",),
    ),
    "flask_realtime/counts.py": Suite(("unit/test_counts.py", "integration/test_counts.py", "integration/test_readings.py")),
    "flask_realtime/gateway/shutdown.py": Suite(("unit/gateway/test_shutdown.py", *_GATEWAY), ("e2e/test_drain.py",)),
    "flask_realtime/gateway/changes.py": Suite(
        ("unit/gateway/test_changes.py", "unit/features/test_conversations_membership.py", *_GATEWAY)
    ),
    "flask_realtime/gateway/delivery/manager.py": Suite(("unit/gateway/test_rooms.py", *_GATEWAY), ("e2e/test_connecting.py",)),
    "flask_realtime/gateway/delivery/members.py": Suite(("unit/gateway/test_rooms.py", *_GATEWAY), ("e2e/test_connecting.py",)),
    "flask_realtime/gateway/delivery/rooms.py": Suite(("unit/gateway/test_rooms.py", *_GATEWAY), ("e2e/test_connecting.py",)),
    "flask_realtime/gateway/parts.py": Suite(("integration/test_tracing.py",), ("e2e/test_tracing.py",)),
    "flask_realtime/json_logs.py": Suite(("unit/test_json_logs.py", "integration/test_log_lines.py"), ("e2e/test_logging.py",)),
    "flask_realtime/health.py": Suite(("integration/test_health.py", _EXAMPLE_API[0]), ("e2e/test_health.py",)),
    "flask_realtime/tracing": Suite(("integration/test_tracing.py", "integration/test_tracing_jobs.py"), ("e2e/test_tracing.py",)),
    "flask_realtime/feature/tracing.py": Suite(("integration/test_tracing_jobs.py",)),
    "flask_realtime/gateway/repeats.py": Suite(
        ("unit/gateway/test_rooms.py", "unit/gateway/test_delivery.py", *_GATEWAY), ("e2e/features/test_typing_indicators.py",)
    ),
    "flask_realtime/gateway/delivery/envelopes.py": Suite(
        ("unit/gateway/test_delivery.py", *_GATEWAY),
        (
            "e2e/features/test_messages.py",
            "e2e/features/test_conversations.py",
        ),
    ),
    "flask_realtime/gateway/dispatch/mailbox.py": Suite(
        ("unit/gateway/test_mailbox.py", "integration/test_hook_calls.py"), ("e2e/test_hazards.py",)
    ),
    "flask_realtime/features/authentication/verification.py": Suite(
        ("unit/features/test_authentication_tokens.py", "integration/features/test_authentication_tokens.py"),
        ("e2e/features/test_authentication_tokens.py",),
    ),
    "flask_realtime/features/authentication/authenticator.py": Suite(
        ("integration/features/test_authentication.py",), ("e2e/features/test_authentication.py",)
    ),
    "flask_realtime/features/authentication/plain_tokens.py": Suite(("integration/features/test_authentication_tokens.py",)),
    "flask_realtime/features/authentication/quick_tokens.py": Suite(
        ("integration/features/test_authentication_tokens.py",), ("e2e/features/test_authentication_tokens.py",)
    ),
    "flask_realtime/features/authentication": Suite(
        (
            "unit/features/test_authentication_expiry.py",
            "unit/features/test_authentication_tokens.py",
            *_DECLARED,
            *_GATEWAY,
            "integration/features/test_authentication.py",
        ),
        ("e2e/features/test_authentication_tokens.py",),
    ),
    "flask_realtime/gateway/timer.py": Suite(
        ("unit/features/test_authentication_expiry.py", "integration/features/test_authentication_revocation.py"),
        ("e2e/features/test_typing_indicators.py",),
    ),
    "flask_realtime/features/authentication/revocation.py": Suite(
        ("integration/features/test_authentication_revocation.py",), ("e2e/features/test_authentication_tokens.py",)
    ),
    "flask_realtime/gateway/dispatch/packets.py": Suite(("unit/gateway/test_packets.py", *_GATEWAY), ("e2e/test_answers.py",)),
    "flask_realtime/gateway/delivery/after_commit.py": Suite(("integration/test_after_commit.py",)),
    "flask_realtime/gateway/delivery/control.py": Suite((*_PROCESSES, *_GATEWAY), ("e2e/test_python_api.py",)),
    "flask_realtime/gateway/delivery/encoding.py": Suite(
        ("unit/contract/test_json.py", "unit/gateway/test_rooms.py", "unit/gateway/test_delivery.py", *_GATEWAY),
        ("e2e/test_answers.py",),
    ),
    "flask_realtime/gateway/delivery/sent.py": Suite(
        ("unit/gateway/test_sent.py", "unit/gateway/test_delivery.py"), ("e2e/features/test_log.py",)
    ),
    "flask_realtime/gateway/delivery/delivery.py": Suite(
        ("unit/gateway/test_delivery.py", "unit/gateway/test_rooms.py", *_GATEWAY),
        (
            "e2e/features/test_messages.py",
            "e2e/features/test_conversations.py",
        ),
    ),
    "flask_realtime/features/conversations": Suite(
        (
            "unit/features/test_conversations_membership.py",
            "unit/features/test_conversations.py",
            "unit/features/test_conversations_requests.py",
            *_DECLARED,
            *_GATEWAY,
            "integration/test_two_servers.py",
            "integration/features/test_conversations.py",
        ),
        (
            "e2e/features/test_messages.py",
            "e2e/features/test_conversations.py",
            "e2e/features/test_conversations_members.py",
            "e2e/test_python_api.py",
        ),
    ),
    "flask_realtime/gateway/serving/suitability.py": Suite(
        ("unit/gateway/test_suitability.py", *_GATEWAY), ("e2e/test_setup_warnings.py",)
    ),
    "flask_realtime/gateway/features.py": Suite(
        (_FEATURES, *_APPLICATIONS, "integration/test_adoption.py"), ("e2e/test_python_api.py",)
    ),
    "flask_realtime/gateway/limits/peer_log.py": Suite(("unit/test_logs.py", *_GATEWAY), ("e2e/test_limits.py",)),
    "flask_realtime/gateway/limits": Suite(
        ("unit/gateway/test_limits.py", *_GATEWAY), ("e2e/test_limits.py", "e2e/features/test_presence_rates.py")
    ),
    "flask_realtime/gateway/admission/origin_check.py": Suite(
        ("unit/gateway/test_origin_check.py", "integration/test_readings.py", *_GATEWAY), ("e2e/test_origins.py",)
    ),
    "flask_realtime/gateway/admission/returning.py": Suite(("integration/test_recovery.py", *_GATEWAY), ("e2e/test_recovery.py",)),
    "flask_realtime/gateway/recovery/kept.py": _KEPT,
    "flask_realtime/gateway/recovery/kept_lines.py": _KEPT,
    "flask_realtime/backends/segments.py": _KEPT,
    "flask_realtime/gateway/recovery": Suite(
        (
            "unit/gateway/test_recovery.py",
            "unit/gateway/test_recovery_elsewhere.py",
            "unit/gateway/test_recovery_missed.py",
            "unit/gateway/test_recovery_shared.py",
            "unit/gateway/test_recovery_setup.py",
            "integration/test_recovery.py",
            "integration/test_recovery_two_servers.py",
            *_GATEWAY,
        ),
        ("e2e/test_recovery.py", "e2e/test_recovery_servers.py"),
    ),
    "flask_realtime/gateway/admission/handshake.py": Suite(
        ("unit/gateway/test_kept_handshake.py", *_GATEWAY), ("e2e/test_before_admission.py",)
    ),
    "flask_realtime/gateway/admission": Suite(_GATEWAY, ("e2e/test_connecting.py", "e2e/test_before_admission.py")),
    "flask_realtime/gateway/serving/web_server.py": Suite(("unit/gateway/test_web_server.py",), ("e2e/test_web_servers.py",)),
    "flask_realtime/gateway/serving/development.py": Suite(("unit/gateway/test_development.py",), ("e2e/test_web_servers.py",)),
    "flask_realtime/gateway/serving": Suite(
        ("integration/test_serving.py", *_GATEWAY),
        ("e2e/test_web_servers.py", "e2e/test_setup_warnings.py", "e2e/test_drain.py"),
    ),
    "flask_realtime/gateway": Suite(
        (*_GATEWAY, _BUILT_IN, "integration/test_two_servers.py", "integration/test_hook_database.py"),
        ("e2e/test_answers.py", "e2e/test_connecting.py", "e2e/test_python_api.py"),
    ),
    "flask_realtime/engine/frames.py": Suite(("unit/engine/test_frames.py", "unit/test_fuzz_corpus.py"), _ENGINE_E2E),
    "flask_realtime/engine/websocket.py": Suite(
        ("unit/engine/test_websocket_life.py", "unit/engine/test_websocket.py"), _ENGINE_E2E
    ),
    "flask_realtime/engine/outbox.py": Suite(("unit/engine/test_websocket_life.py",), _ENGINE_E2E),
    "flask_realtime/engine/tls.py": Suite(("unit/engine/test_websocket_life.py",), ("e2e/test_tls.py",)),
    "flask_realtime/engine/fan_out.py": Suite(("unit/engine/test_engine_socket.py", "unit/gateway/test_recovery.py"), _ENGINE_E2E),
    "flask_realtime/engine/session.py": Suite(("unit/engine/test_engine_socket.py",), _ENGINE_E2E),
    "flask_realtime/engine/polled_session.py": Suite(
        ("unit/engine/test_engine_socket.py", "integration/test_readings.py"), _ENGINE_E2E
    ),
    "flask_realtime/engine/farewell.py": Suite(("unit/engine/test_farewell.py",), ("e2e/test_drain.py",)),
    "flask_realtime/engine/socket.py": Suite(("unit/engine/test_engine_socket.py", "integration/test_readings.py"), _ENGINE_E2E),
    "flask_realtime/engine/upgrade.py": Suite(("unit/engine/test_engine_socket.py",), _ENGINE_E2E),
    "flask_realtime/engine/refusals.py": Suite((_ENGINE, "integration/test_readings.py"), _ENGINE_E2E),
    "flask_realtime/engine/server.py": Suite(
        (_ENGINE, "unit/engine/test_engine_socket.py", "integration/test_readings.py"), (*_ENGINE_E2E, "e2e/test_drain.py")
    ),
    "flask_realtime/engine/heartbeat.py": Suite(("unit/engine/test_heartbeat.py",), _ENGINE_E2E),
    "flask_realtime/engine/headers.py": Suite(("unit/engine/test_headers.py",), ("e2e/test_engine_handshake.py",)),
    "flask_realtime/engine/accepted.py": Suite(("unit/engine/test_acceptor.py",), ("e2e/test_engine_handshake.py",)),
    "flask_realtime/engine/acceptor.py": Suite(("unit/engine/test_acceptor.py",), ("e2e/test_engine_handshake.py",)),
    "flask_realtime/engine/handshake.py": Suite(
        ("unit/engine/test_handshake.py", "unit/test_fuzz_corpus.py"), ("e2e/test_engine_handshake.py",)
    ),
    "flask_realtime/engine/handler.py": Suite(
        ("unit/engine/test_front_door.py", "unit/engine/test_handler.py", "unit/engine/test_acceptor.py"),
        ("e2e/test_front_door.py",),
    ),
    "flask_realtime/engine/body.py": Suite(("unit/engine/test_body.py",), ("e2e/test_front_door.py",)),
    "flask_realtime/engine/answer.py": Suite(("unit/engine/test_answer.py",), ("e2e/test_front_door.py",)),
    "flask_realtime/engine/waiting_polls.py": Suite(
        ("unit/engine/test_waiting_polls.py", "unit/engine/test_engine_socket.py"), ("e2e/test_front_door.py",)
    ),
    "flask_realtime/engine/places.py": Suite(("unit/engine/test_places.py",), ("e2e/test_front_door.py",)),
    "flask_realtime/engine/installing.py": Suite(
        ("unit/engine/test_handler.py", "unit/engine/test_installing.py"), ("e2e/test_engine_selection.py",)
    ),
    "flask_realtime/engine/patching.py": Suite(
        ("unit/engine/test_patching.py", "unit/engine/test_installing.py", "unit/engine/test_handler.py"),
        ("e2e/test_engine_selection.py",),
    ),
    "flask_realtime/engine/own_websocket.py": Suite(("unit/engine/test_own_websocket.py",), ("e2e/test_engine_handshake.py",)),
    "flask_realtime/engine/stateless.py": Suite(("unit/engine/test_threads.py",), ("e2e/test_web_servers.py",)),
    "flask_realtime/engine/threads.py": Suite(("unit/engine/test_threads.py",), ("e2e/test_web_servers.py",)),
    "flask_realtime/engine/takeover.py": Suite(("unit/engine/test_takeover.py",), ("e2e/test_engine_handshake.py",)),
    "flask_realtime/engine/hangup.py": Suite(("unit/engine/test_hangup.py",), ("e2e/test_engine_bad_clients.py",)),
    "flask_realtime/engine/shutdown.py": Suite(("unit/engine/test_shutdown.py",), ("e2e/test_drain.py",)),
    "flask_realtime/engine/drain.py": Suite(("unit/engine/test_drain.py",), ("e2e/test_drain.py",)),
    "flask_realtime/engine/concurrency.py": Suite(("unit/engine/test_greenlets.py",), ("e2e/test_engine_conformance.py",)),
    "flask_realtime/engine/messages.py": Suite(
        ("unit/engine/test_messages.py",),
        (
            "e2e/features/test_messages.py",
            "e2e/features/test_conversations.py",
        ),
    ),
    "flask_realtime/engine/handoff/handoff.py": Suite(
        ("unit/engine/test_handing_over.py", "unit/engine/test_handover.py"), ("e2e/test_workers.py",)
    ),
    "flask_realtime/engine/handoff/links.py": Suite(
        ("unit/engine/test_handover.py", "unit/engine/test_handing_over.py"), ("e2e/test_workers.py",)
    ),
    "flask_realtime/socket_folder.py": Suite(
        ("unit/engine/test_handover.py", "unit/engine/test_handing_over.py"), ("e2e/test_workers.py",)
    ),
    "flask_realtime/engine/handoff/tls_proxy.py": Suite(("unit/engine/test_tls_proxy.py",), ("e2e/test_workers.py",)),
    "flask_realtime/engine/polling.py": Suite(("unit/engine/test_polling.py",), _ENGINE_E2E),
    "flask_realtime/engine/handoff/progress.py": Suite(
        ("unit/engine/test_passing.py", "unit/engine/test_handing_over.py"), ("e2e/test_workers.py",)
    ),
    "flask_realtime/engine": Suite(
        ("unit/engine/test_websocket_life.py", "unit/engine/test_heartbeat.py", "unit/engine/test_handler.py", _ENGINE), _ENGINE_E2E
    ),
    "flask_realtime/feature": Suite(
        (
            "unit/test_calls.py",
            "unit/test_hooks.py",
            "unit/test_registration.py",
            "unit/test_describe.py",
            "unit/features/test_conversations_membership.py",
            "unit/features/test_presence.py",
            "unit/features/test_conversations.py",
            _FEATURES,
            *_APPLICATIONS,
        ),
        ("e2e/test_python_api.py",),
    ),
    "flask_realtime/extension.py": Suite(
        ("unit/test_registration.py", "unit/test_hooks.py", *_GATEWAY, *_PROCESSES), ("e2e/test_python_api.py",)
    ),
    "flask_realtime/functions.py": Suite(("unit/test_calls.py", *_PROCESSES, *_APPLICATIONS), ("e2e/test_python_api.py",)),
    "flask_realtime/hooks.py": Suite(("unit/test_hooks.py", "unit/test_registration.py", _FEATURES, *_APPLICATIONS)),
    "flask_realtime/identity.py": Suite(("integration/features/test_authentication.py", *_APPLICATIONS)),
    "flask_realtime/terminal.py": Suite(("unit/test_terminal.py", "integration/test_commands.py")),
    "flask_realtime/cli": Suite(
        ("integration/test_commands.py", _FEATURES, "integration/test_describing.py", "integration/test_checks.py"),
        ("e2e/test_many_servers.py",),
    ),
    "flask_realtime/emitter.py": Suite(("unit/test_registration.py", "integration/test_emitter.py"), ("e2e/test_many_servers.py",)),
    "flask_realtime/testing/jobs.py": Suite(("integration/features/test_notifications_critical.py",)),
    "flask_realtime/testing": Suite(
        ("integration/test_testing.py", "integration/features/test_authentication.py", *_APPLICATIONS[:2], _FEATURES)
    ),
    "flask_realtime/worker.py": Suite(("unit/engine/test_installing.py",), ("e2e/test_servers.py", "e2e/test_front_door.py")),
    "flask_realtime/rates.py": Suite(("unit/test_rates.py", *_APPLICATIONS)),
    "flask_realtime/small_sets.py": Suite(("unit/test_small_sets.py", *_APPLICATIONS)),
    "flask_realtime/jitter.py": Suite(("unit/test_jitter.py", "unit/engine/test_drain.py", "integration/backends")),
    "flask_realtime/logs.py": Suite(("unit/test_logs.py", *_APPLICATIONS)),
    "flask_realtime/signatures.py": Suite(("unit/test_registration.py", *_APPLICATIONS)),
    "flask_realtime/config.py": Suite(("unit/test_config.py", *_APPLICATIONS)),
    "flask_realtime/errors.py": Suite(("unit/contract/test_payloads.py", *_APPLICATIONS)),
    "flask_realtime/backends/memory.py": Suite(
        (
            "contract/test_backends.py",
            "contract/test_records.py",
            "unit/features/test_presence.py",
            "unit/features/test_conversations.py",
            "unit/backends/test_broker_bus.py",
            *_APPLICATIONS,
        )
    ),
    "flask_realtime/backends/redis/cluster.py": Suite(
        ("unit/backends/test_cluster_nodes.py", "integration/backends/test_redis_cluster.py")
    ),
    "flask_realtime/backends/redis/connections.py": Suite(
        ("integration/backends/test_redis_link.py", "integration/backends/test_redis_tls.py"), _REDIS
    ),
    "flask_realtime/backends/links/intake.py": Suite(
        ("unit/backends/test_links_intake.py",),
        ("integration/backends/test_direct_links.py", "integration/backends/test_links_order.py"),
    ),
    "flask_realtime/backends/links/interest.py": Suite(
        ("unit/backends/test_links_interest.py",), ("integration/backends/test_links_interest.py",)
    ),
    "flask_realtime/backends/links/frames.py": Suite(
        ("unit/backends/test_links_frames.py",), ("integration/backends/test_direct_links.py",)
    ),
    "flask_realtime/backends/links/greeting.py": Suite(
        ("unit/backends/test_links_frames.py",), ("integration/backends/test_direct_links.py",)
    ),
    "flask_realtime/backends/links": Suite(
        (
            "integration/backends/test_direct_links.py",
            "integration/backends/test_links_order.py",
            "integration/backends/test_links_interest.py",
        ),
        ("e2e/test_direct_links.py", "e2e/test_links_removals.py"),
    ),
    "flask_realtime/backends/redis/grouped_calls.py": Suite(("integration/backends/test_grouped_calls.py",), ("contract",)),
    "flask_realtime/backends/redis/outbox.py": Suite(("unit/backends/test_outbox.py", "integration/backends/test_redis_bus.py")),
    "flask_realtime/backends/redis/envelopes.py": Suite(("unit/backends/test_outbox.py", "integration/backends/test_redis_bus.py")),
    "flask_realtime/backends/redis/stream.py": Suite(
        ("integration/backends/test_redis_stream.py",), ("integration/backends/test_redis_bus.py",)
    ),
    "flask_realtime/backends/redis/publisher.py": Suite(
        ("integration/backends/test_redis_publishing.py",), ("integration/backends/test_redis_bus.py",)
    ),
    "flask_realtime/backends/redis/reader.py": Suite(
        ("integration/backends/test_redis_publishing.py",), ("integration/backends/test_redis_bus.py",)
    ),
    "flask_realtime/backends/redis/entries.py": Suite(("contract", "integration/backends/test_redis_entries.py"), _REDIS[1:]),
    "flask_realtime/backends/redis/lease.py": Suite(
        ("integration/backends/test_redis_duties.py", "integration/backends/test_redis_entries.py", "contract"), _REDIS[1:]
    ),
    "flask_realtime/backends/redis/scripts.py": Suite(("unit/backends/test_redis_scripts.py", "contract"), _REDIS),
    "flask_realtime/backends/redis/answers.py": Suite(("unit/backends/test_redis_scripts.py", "contract"), _REDIS),
    "flask_realtime/backends/redis/script.py": Suite(("unit/backends/test_redis_scripts.py", "contract"), _REDIS),
    "flask_realtime/backends/record.py": Suite(("contract/test_records.py",)),
    "flask_realtime/backends/redis/recall.py": Suite(("integration/backends/test_redis_recall.py",), ("e2e/features/test_log.py",)),
    "flask_realtime/backends/redis/recovery.py": Suite(
        ("integration/backends/test_redis_recovery.py", "integration/test_recovery_two_servers.py"),
        ("e2e/test_recovery_servers.py",),
    ),
    "flask_realtime/backends/redis/lease_writer.py": Suite(
        ("integration/backends/test_redis_recovery.py", "integration/test_recovery_two_servers.py"),
        ("e2e/test_recovery_servers.py",),
    ),
    "flask_realtime/backends/redis/record.py": Suite(("contract/test_records.py",)),
    "flask_realtime/backends/redis/turns.py": Suite(("unit/backends/test_turns.py", "contract/test_records.py")),
    "flask_realtime/backends/redis/maintenance.py": Suite(("integration/backends/test_redis_duties.py", "contract"), _REDIS[1:]),
    "flask_realtime/backends/redis/housekeeping.py": Suite(
        ("integration/backends/test_redis_housekeeping.py", "integration/backends/test_redis_duties.py"),
        ("integration/backends/test_redis_presence.py", "integration/backends/test_redis_healing.py"),
    ),
    "flask_realtime/backends/redis/pending_writes.py": Suite(
        ("unit/backends/test_pending_writes.py", "integration/backends/test_redis_entries.py"), _REDIS
    ),
    "flask_realtime/backends/redis/outage_journal.py": Suite(
        ("unit/backends/test_pending_writes.py", "integration/backends/test_redis_entries.py"), _REDIS
    ),
    "flask_realtime/backends/outgoing.py": Suite(
        ("unit/backends/test_outbox.py", "unit/backends/test_send_queue.py", "unit/backends/test_broker_bus.py")
    ),
    "flask_realtime/backends/broker/batches.py": Suite(("unit/backends/test_send_queue.py", "unit/backends/test_broker_bus.py")),
    "flask_realtime/backends/broker/send_queue.py": Suite(("unit/backends/test_send_queue.py", "unit/backends/test_broker_bus.py")),
    "flask_realtime/backends/redis": Suite(_REDIS, ("e2e/test_many_servers.py",)),
    "flask_realtime/backends/backend.py": Suite(
        ("contract/test_backends.py", _FEATURES, "integration/test_checks.py", "integration/backends/test_redis_bus.py"),
        ("e2e/test_many_servers.py",),
    ),
    "flask_realtime/backends/probe.py": Suite(("unit/backends/test_probe.py", "integration/backends/test_redis_health.py")),
    "flask_realtime/backends/sequences.py": _BUSES,
    "flask_realtime/backends/packing.py": _BUSES,
    "flask_realtime/backends/bus.py": _BUSES,
    "flask_realtime/backends/forks.py": _BUSES,
    "flask_realtime/backends/queue.py": Suite(
        ("integration/backends/test_broker_carriers.py", "integration/backends/test_redis_health.py")
    ),
    "flask_realtime/backends/redis/eviction.py": Suite(("integration/backends/test_redis_health.py",)),
    "flask_realtime/backends/redis/clock.py": Suite(("integration/backends/test_redis_entries.py", "contract"), _REDIS[1:]),
    "flask_realtime/backends/recovery.py": Suite(("integration/backends/test_redis_recovery.py",)),
    "flask_realtime/backends/broker/bus.py": Suite(
        ("unit/backends/test_broker_bus.py",), ("integration/backends/test_broker_carriers.py",)
    ),
    "flask_realtime/backends/broker/backend.py": Suite(
        ("unit/backends/test_broker_bus.py",), ("integration/backends/test_broker_carriers.py",)
    ),
    "flask_realtime/backends/broker": Suite(
        ("unit/backends/test_broker_bus.py", "integration/backends/test_broker_carriers.py"), ("e2e/test_many_servers.py",)
    ),
    "flask_realtime/backends": Suite(
        ("contract/test_backends.py", "integration/backends/test_redis_bus.py"), ("e2e/test_many_servers.py",)
    ),
    "flask_realtime/database/columns.py": _MODELS,
    "flask_realtime/database/attached.py": _MODELS,
    "flask_realtime/database/base.py": _MODELS,
    "flask_realtime/database/tables.py": Suite(("integration/test_checks_database.py",)),
    "flask_realtime/features/conversations/models.py": _MODELS,
    "flask_realtime/features/messages/models.py": _MODELS,
    "flask_realtime/features/notifications/models.py": _MODELS,
    "flask_realtime/store/models.py": _MODELS,
    "flask_realtime/features/messages/send_store.py": Suite(("integration/store/test_store_sends.py",), _STORE[:4]),
    "flask_realtime/features/messages/store.py": Suite(
        (_STORE[1], "integration/store/test_store_sends.py"), (*_STORE[2:], "integration/features/test_messages.py", *_EXAMPLE_API)
    ),
    **{
        f"flask_realtime/features/messages/{name}.py": Suite(
            ("integration/features/test_messages_changed.py", "integration/store/test_store_repeated_text.py"),
            ("integration/store/test_store_messages_model.py", *_STORE[1:3]),
        )
        for name in ("change_store", "mention_store", "query_store", "thread_store")
    },
    "flask_realtime/features/conversations/store.py": Suite(
        (_STORE[1], "integration/store/test_store_conversations.py"), (*_STORE[2:], *_MEMBERS, *_EXAMPLE_API)
    ),
    "flask_realtime/features/conversations/members_store.py": Suite(("integration/store/test_store_conversations.py",), _MEMBERS),
    "flask_realtime/features/conversations/pins_store.py": Suite(("integration/store/test_store_conversations.py",), _MEMBERS),
    "flask_realtime/features/conversations/rows_store.py": Suite(("integration/store/test_store_conversations.py",), _MEMBERS),
    "flask_realtime/features/notifications/store.py": _OPERATIONS,
    "flask_realtime/features/messages/everyone_store.py": Suite(
        ("integration/store/test_store_everyone.py",), ("integration/store/test_store_repeated_text.py",)
    ),
    "flask_realtime/features/notifications/spreading.py": Suite(("integration/store/test_store_everyone.py",)),
    "flask_realtime/database": Suite((*_STORE, *_EXAMPLE_API), ("e2e/test_example.py",)),
    "flask_realtime/store": Suite((*_STORE, *_EXAMPLE_API), ("e2e/test_example.py",)),
    "example_app/models.py": Suite(
        ("integration/example/test_example_bounds.py", *_EXAMPLE_API[:2], *_EXAMPLE_LOGINS, *_EXAMPLE_API[2:]),
        ("e2e/test_example.py",),
    ),
    "example_app/address.py": Suite(
        ("integration/example/test_example_address.py",), ("integration/example/test_example_startup.py",)
    ),
    "example_app/files.py": Suite(("integration/example/test_example_files.py",), ("integration/example/test_example_startup.py",)),
    "example_app/schemas.py": Suite(
        ("integration/example/test_example_bounds.py", "integration/example/test_example_auth.py"), _EXAMPLE_API
    ),
    "example_app/__main__.py": Suite(("integration/example/test_example_main.py",), ("e2e/test_example_defence.py",)),
    "example_app/settings.py": Suite(("integration/example/test_example_startup.py",), ("e2e/test_example.py",)),
    "example_app/factory.py": Suite(
        (
            "integration/example/test_example_events.py",
            "integration/example/test_example_startup.py",
            "integration/test_describing.py",
        ),
        _EXAMPLE_API,
    ),
    "example_app/database.py": Suite(("integration/example/test_example_startup.py",), (*_EXAMPLE_API, *_EXAMPLE_LOGINS)),
    "example_app/pages.py": Suite(("integration/example/test_example_pages.py",), ("e2e/test_page.py",)),
    "example_app/__init__.py": Suite(("integration/example/test_example_startup.py",), ("e2e/test_example.py",)),
    "example_app/channels.py": _EXAMPLE_PUSH,
    "example_app/notifications.py": Suite(("integration/example/test_example_push.py", *_EXAMPLE_API)),
    "example_app/limits.py": Suite(_EXAMPLE_LOGINS),
    "example_app/passwords.py": Suite(_EXAMPLE_LOGINS),
    "example_app/tokens.py": Suite((*_EXAMPLE_LOGINS, _EXAMPLE_API[1])),
    "example_app/auth.py": Suite((*_EXAMPLE_LOGINS, _EXAMPLE_API[1])),
    "example_app": Suite((*_EXAMPLE_API[:2], *_EXAMPLE_LOGINS, *_EXAMPLE_API[2:]), ("e2e/test_example.py",)),
    "flask_realtime": Suite(("unit", *_GATEWAY)),
}
"""The tests of modules and of folders of modules; the longest path that fits counts."""


def suite_of(module: str) -> Suite:
    """Return the tests that are to see the faults of a module.

    Args:
        module: Its path in the repository.
    """
    fitting = [path for path in PLAN if module == path or module.startswith(f"{path}/")]
    return PLAN[max(fitting, key=len)]


def modules_of(names: Sequence[str]) -> list[str]:
    """Return the modules that are named, or in a folder that is.

    Args:
        names: Paths in the repository.
    """
    found: list[str] = []
    for name in names:
        path = ROOT / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [str(file.relative_to(ROOT)) for file in files if "node_modules" not in file.parts]
    return found
