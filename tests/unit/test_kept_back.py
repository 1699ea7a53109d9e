"""Why a record is kept back: the same as what the mapping does, whatever the settings."""

import itertools

import msgspec
import pytest

from clevertap_sync.clevertap.kept_back import find_keeping_settings
from clevertap_sync.clevertap.mapping import KeptBack, MappingSettings, map_event
from referrals.vocabulary import FraudStatus, Side
from tests.builders import NOON_SECONDS, an_event

OPEN = MappingSettings(identity_provider="email", event_kinds="both")
STRICT = {
    "event_kinds": "production",
    "send_suspicious": False,
    "send_rejected": False,
    "not_sent": ("app_install:generated",),
    "since": NOON_SECONDS + 1.0,
}


@pytest.mark.parametrize("count", range(len(STRICT) + 1))
@pytest.mark.parametrize("status", FraudStatus)
@pytest.mark.parametrize("test", [True, False])
def test_a_setting_is_named_exactly_where_it_keeps_a_record_back(count, status, test):
    event = an_event(status=status, test=test)

    for names in itertools.combinations(STRICT, count):
        settings = msgspec.structs.replace(OPEN, **{n: STRICT[n] for n in names})
        for value in map_event(event, settings):
            named = [
                kept.setting
                for kept in find_keeping_settings(event, value.side, settings)
            ]
            assert bool(named) == isinstance(value, KeptBack), (names, value.side)
            assert set(named) <= set(names)


def test_all_that_keep_a_record_back_are_named():
    event = an_event(test=True, status=FraudStatus.SUSPICIOUS)
    settings = msgspec.structs.replace(OPEN, **STRICT)

    referred = [
        k.setting for k in find_keeping_settings(event, Side.REFERRED, settings)
    ]
    generated = [
        k.setting for k in find_keeping_settings(event, Side.GENERATED, settings)
    ]

    assert referred == ["event_kinds", "send_suspicious", "since"]
    assert generated == ["event_kinds", "send_suspicious", "not_sent", "since"]
