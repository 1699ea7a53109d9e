"""Who may open each of the admin's addresses, and who may post to it, by its name.

An address that is in neither table is refused to everybody, as those of rows that nobody
writes or removes by hand are. A new one joins the list of the least who may.
"""

from typing import Final

from referrals.models import Role

SUPERUSER: Final = "superuser"
#: From the one who may least on: each may what those before may.
_RANKS: Final = (Role.VIEWER, Role.EDITOR, SUPERUSER)
_OPENED_BY: Final = {
    Role.VIEWER: """
        clevertap_sync_attempt_change clevertap_sync_attempt_changelist
        clevertap_sync_attempt_export clevertap_sync_deadletter_change
        clevertap_sync_deadletter_changelist clevertap_sync_deadletter_export
        clevertap_sync_integration_change clevertap_sync_integration_changelist
        clevertap_sync_integration_check clevertap_sync_integration_export
        clevertap_sync_integration_seen clevertap_sync_integration_seen_export
        clevertap_sync_replay_change clevertap_sync_replay_changelist
        clevertap_sync_replay_export clevertap_sync_upload_change
        clevertap_sync_upload_changelist clevertap_sync_upload_export event events
        events_export ingest preview preview_start problems referrals
        referrals_app_change referrals_app_changelist referrals_app_export
        referrals_app_fraud
        referrals_customname_change referrals_customname_changelist
        referrals_customname_export referrals_rejectedevent_change
        referrals_rejectedevent_changelist referrals_rejectedevent_export
        referrals_source_change referrals_source_changelist referrals_source_connect
        referrals_source_export schema_file sent source_mapping
    """,
    Role.EDITOR: """
        announce clevertap_sync_alert_add clevertap_sync_alert_change
        clevertap_sync_alert_changelist clevertap_sync_alert_delete
        clevertap_sync_integration_add clevertap_sync_integration_enable
        clevertap_sync_integration_replay_range people person problem_replay
        referrals_source_add referrals_source_archive source_send_sample test_event
        test_event_start
    """,
    SUPERUSER: """
        auth_group_add auth_group_change auth_group_changelist auth_group_delete
        auth_group_history auth_user_add auth_user_change auth_user_changelist
        auth_user_delete auth_user_history auth_user_password_change
        clevertap_sync_alert_history clevertap_sync_attempt_history
        clevertap_sync_deadletter_history clevertap_sync_integration_history
        clevertap_sync_replay_history clevertap_sync_upload_history history
        machinery referrals_apikey_add referrals_apikey_change referrals_apikey_changelist
        referrals_apikey_export referrals_apikey_history referrals_app_add
        referrals_app_history referrals_customname_history
        referrals_erasurerequest_change referrals_erasurerequest_changelist
        referrals_erasurerequest_clevertap referrals_erasurerequest_erase
        referrals_erasurerequest_history referrals_erasurerequest_lift
        referrals_rejectedevent_history referrals_source_history
    """,
}
_POSTED_TO_BY: Final = {
    Role.VIEWER: """
        clevertap_sync_attempt_changelist clevertap_sync_deadletter_changelist
        clevertap_sync_integration_changelist clevertap_sync_replay_changelist
        clevertap_sync_upload_changelist preview referrals_app_changelist
        referrals_app_fraud
        referrals_customname_changelist referrals_rejectedevent_changelist
        referrals_source_changelist
    """,
    Role.EDITOR: """
        announce clevertap_sync_alert_add clevertap_sync_alert_change
        clevertap_sync_alert_changelist clevertap_sync_alert_delete
        clevertap_sync_alert_mute clevertap_sync_alert_secret
        clevertap_sync_alert_test clevertap_sync_integration_add
        clevertap_sync_integration_archive clevertap_sync_integration_change
        clevertap_sync_integration_check
        clevertap_sync_integration_confirm_identities
        clevertap_sync_integration_enable clevertap_sync_integration_find_location
        clevertap_sync_integration_match_rate clevertap_sync_integration_move
        clevertap_sync_integration_pause clevertap_sync_integration_replay_range
        clevertap_sync_integration_seen clevertap_sync_integration_user
        clevertap_sync_replay_cancel people
        person_lift person_mark problem_replay
        referrals_app_change referrals_customname_change referrals_source_add
        referrals_source_archive referrals_source_change referrals_source_connect
        referrals_source_end_secret referrals_source_secret referrals_source_take
        source_capture source_mapping source_send_sample test_event
    """,
    SUPERUSER: """
        auth_group_add auth_group_change auth_group_changelist auth_group_delete
        auth_group_history auth_user_add auth_user_change auth_user_changelist
        auth_user_delete auth_user_history auth_user_password_change
        clevertap_sync_alert_history clevertap_sync_attempt_history
        clevertap_sync_deadletter_history clevertap_sync_integration_history
        clevertap_sync_replay_history clevertap_sync_upload_history
        referrals_apikey_add referrals_apikey_change referrals_apikey_changelist
        referrals_apikey_history referrals_apikey_revoke referrals_apikey_rotate
        referrals_app_add referrals_app_archive referrals_app_history
        referrals_customname_history referrals_erasurerequest_changelist
        referrals_erasurerequest_clevertap referrals_erasurerequest_erase
        referrals_erasurerequest_history referrals_erasurerequest_lift
        referrals_rejectedevent_history referrals_source_history
    """,
}
#: Addresses that lead to one of the others, whoever asks: no page of their own.
_FOR_ANYBODY: Final = frozenset({None, "", "app_list"})
_REFUSALS: Final = frozenset({403, 404, 405})


def check_answer(response, address, person):
    """Assert that the address answers where the person may what they asked, and only there.

    `person` is a role in the app that the address is about, `SUPERUSER`, or None.
    """
    if address.name in _FOR_ANYBODY:
        return
    method = response.request["REQUEST_METHOD"]
    table = _OPENED_BY if method == "GET" else _POSTED_TO_BY
    ranks = _RANKS[: _RANKS.index(person) + 1] if person else ()
    may = any(address.name in table[rank].split() for rank in ranks)
    is_answered = response.status_code not in _REFUSALS
    assert is_answered is may, (method, address, response.status_code)
