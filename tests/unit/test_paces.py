"""How far apart an integration's events come, as its uploads tell."""

from types import SimpleNamespace

import pytest

from clevertap_sync.delivery import paces
from clevertap_sync.delivery.work import Claim
from clevertap_sync.models import Integration, Upload


@pytest.fixture
def now(monkeypatch):
    """Seconds by the clock of the process."""
    seconds = [1_000.0]
    monkeypatch.setattr(paces, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


def claim(first, last, **changes):
    integration = Integration(pk=7)
    upload = Upload(integration=integration, first=first, last=last, **changes)
    return Claim(upload, integration, 1, left_some=False)


def test_of_an_integration_that_nobody_delivered_nothing_is_expected_soon(now):
    assert paces.estimate_gap(7) == paces.LONGEST_GAP_SECONDS


def test_each_upload_brings_the_gap_closer_to_what_came_since_the_one_before(now):
    gaps = []
    for number in range(12):
        paces.note_claim(claim(2 * number + 1, 2 * number + 2))
        gaps.append(paces.estimate_gap(7))
        now[0] += 0.04

    assert gaps[0] == paces.LONGEST_GAP_SECONDS
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[1] == pytest.approx(0.155)
    assert gaps[-1] == pytest.approx(0.02 + 0.18 * 0.75**11)


@pytest.mark.parametrize(
    "other", [{"picks": [2]}, {"replay_id": 1}], ids=["a part", "a replay"]
)
def test_what_is_no_range_of_the_log_tells_nothing(now, other):
    paces.note_claim(claim(1, 1))
    now[0] += 0.01

    paces.note_claim(claim(1, 1, **other))

    assert paces.estimate_gap(7) == paces.LONGEST_GAP_SECONDS
