"""Faults on order: exact, once, and never in production."""

import os
import signal
import subprocess
import sys

import pytest

from referrals import failpoints
from referrals.failpoints import Failpoint, FailpointError, Place
from tests.harness import commands
from tests.harness.process import PATIENCE_SECONDS
from tests.unit import warm
from tests.unit.fresh_settings import refusal_of


@pytest.fixture(autouse=True)
def disarm():
    yield
    failpoints.arm_failpoints([])


def test_nothing_happens_where_nothing_was_ordered():
    for place in Place:
        failpoints.reach_failpoint(place)


def test_an_order_is_carried_out_at_its_nth_pass_and_once():
    failpoints.arm_failpoints(failpoints.parse_failpoints(["claim.written=raise@3"]))

    failpoints.reach_failpoint(Place.CLAIM_WRITTEN)
    failpoints.reach_failpoint(Place.CLAIM_COMMITTED)
    failpoints.reach_failpoint(Place.CLAIM_WRITTEN)
    with pytest.raises(FailpointError):
        failpoints.reach_failpoint(Place.CLAIM_WRITTEN)
    failpoints.reach_failpoint(Place.CLAIM_WRITTEN)


def test_a_place_is_armed_if_a_fault_is_ordered_there():
    failpoints.arm_failpoints(failpoints.parse_failpoints(["claim.written=raise@3"]))

    assert failpoints.is_armed(Place.CLAIM_WRITTEN)
    assert not failpoints.is_armed(Place.CLAIM_COMMITTED)


def test_orders_are_read_with_place_action_and_number():
    orders = ["settle.written=kill", "append.committed=hang@12"]

    assert failpoints.parse_failpoints(orders) == [
        Failpoint(Place.SETTLE_WRITTEN, "kill", 1),
        Failpoint(Place.APPEND_COMMITTED, "hang", 12),
    ]


@pytest.mark.parametrize(
    "order",
    [
        *("", "kill", "settle.written", "nowhere=kill", "settle.written=explode"),
        *("settle.written=kill@0", "settle.written=kill@x", "settle.written=kill@1@2"),
    ],
)
def test_an_order_that_says_nothing_is_refused(order):
    with pytest.raises(ValueError, match=r"order|Place"):
        failpoints.parse_failpoints([order])


@pytest.mark.parametrize(
    ("action", "status"), [("kill", -signal.SIGKILL), ("raise", 1)]
)
def test_a_process_ends_as_ordered(action, status):
    program = (
        "from referrals import failpoints as f;"
        f"f.arm_failpoints(f.parse_failpoints(['claim.written={action}']));"
        "f.reach_failpoint(f.Place.CLAIM_WRITTEN)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=commands.ROOT,
        capture_output=True,
        check=False,
    )

    assert done.returncode == status


def test_a_frozen_process_goes_on_when_it_is_thawed():
    program = (
        "from referrals import failpoints as f;"
        "f.arm_failpoints(f.parse_failpoints(['claim.written=freeze']));"
        "f.reach_failpoint(f.Place.CLAIM_WRITTEN)"
    )
    frozen = subprocess.Popen([sys.executable, "-c", program], cwd=commands.ROOT)

    _, status = os.waitpid(frozen.pid, os.WUNTRACED)
    frozen.send_signal(signal.SIGCONT)

    assert os.WSTOPSIG(status) == signal.SIGSTOP
    assert frozen.wait(PATIENCE_SECONDS) == 0


def test_django_arms_what_the_environment_orders(tmp_path):
    program = (
        "import django; django.setup();"
        "from referrals import failpoints as f; f.reach_failpoint(f.Place.CLAIM_WRITTEN)"
    )
    variables = {
        "DJANGO_SETTINGS_MODULE": "integration_project.settings",
        "DEBUG": "1",
        "FAILPOINTS": "claim.written=kill",
    }

    done = warm.run_program(tmp_path, program, [], variables)

    assert done.returncode == -signal.SIGKILL


def test_production_refuses_to_start_with_a_fault_on_order():
    variables = commands.production(FAILPOINTS="claim.written=kill")

    assert refusal_of(**variables) == (
        "This does not start, because its environment is incomplete or wrong:\n"
        "  - FAILPOINTS is set, which makes processes die on purpose: it is for tests, "
        "and refused unless DEBUG=true. Take it out of the environment.\n"
        "Every variable is described in docs/reference/environment.md.\n"
    )


def test_a_mistaken_order_is_refused_where_orders_are_taken():
    refusal = refusal_of(FAILPOINTS="now", DEBUG="1")

    assert "FAILPOINTS has an order that cannot be used" in refusal
