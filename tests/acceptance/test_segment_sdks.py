"""SDKs of Segment's kind, unmodified, feed the log: gzip, batches, wrong keys, an outage."""

import json
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from referrals.admin import code_samples
from tests.acceptance.relay import relay
from tests.acceptance.sdks.programs import (
    RUDDERSTACK_PYTHON,
    SEGMENT_NODE,
    SEGMENT_PYTHON,
    finish,
    has_node,
    install_node_sdk,
)
from tests.harness.process import wait_until
from tests.harness.proxy import Proxy
from tests.harness.stack import Stack

#: They share the web process.
pytestmark = pytest.mark.xdist_group("segment_sdks")

SDKS = [SEGMENT_PYTHON, RUDDERSTACK_PYTHON, SEGMENT_NODE]
KEYS = "SELECT key FROM referrals_referralevent ORDER BY position"
BODIES = "SELECT body FROM referrals_referralevent ORDER BY position"


class Served:
    """The product behind a relay, and before a database that can go away."""

    def __init__(self, stack, database, origin, passed):
        self.stack, self.database = stack, database
        self.origin, self._passed = origin, passed

    def orders(self, prefix, **more):
        key = self.stack.keys["shop"]
        return {"origin": self.origin, "key": key, "prefix": prefix, **more}

    def passed(self):
        """Return what passed the relay since `forget`, all to one address."""
        assert {each.path for each in self._passed} <= {"/v1/segment/v1/batch"}
        return list(self._passed)

    def forget(self):
        self._passed.clear()

    def keys(self, prefix):
        return [
            key
            for (key,) in self.stack.database.rows(KEYS)
            if key.startswith(f"seg.{prefix}")
        ]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One web process for all of these tests, without a worker and without a broker."""
    with ExitStack() as opened:
        stack = opened.enter_context(
            Stack(
                "postgresql", tmp_path_factory.mktemp("sdks"), broker=False, warm=True
            )
        )
        stack.provision()
        url = stack.database.url
        database = opened.enter_context(Proxy(urlsplit(url).port))
        stack.web(DATABASE_URL=database.url_of(url))
        origin, passed = opened.enter_context(relay(stack.web_url))
        yield Served(stack, database, origin, passed)
        # Shown where the last of the tests failed.
        print(stack.logs())


@pytest.fixture(autouse=True)
def _no_memory(server):
    server.forget()


@pytest.fixture(params=SDKS, ids=[sdk.title for sdk in SDKS])
def sdk(request):
    if request.param is SEGMENT_NODE:
        need_node()
    return request.param


def need_node():
    if not has_node():
        pytest.skip("Node is not installed here, so its SDK was not run")
    install_node_sdk()


def test_the_code_that_the_admin_shows_runs_as_it_stands(server, sdk, tmp_path):
    before = len(server.stack.database.rows(KEYS))
    (sample,) = (
        each.code
        for each in code_samples.list_tracking_samples(
            server.origin, server.stack.keys["shop"]
        )
        if each.language == sdk.title
    )

    finish(sdk.run(sample, tmp_path))

    (body,) = server.stack.database.rows(BODIES)[before:]
    event = json.loads(body[0])
    assert event["type"] == "app_install"
    assert event["user"]["identities"]["custom_id"] == "u-42"
    assert event["referrer"]["identities"] == {"custom_id": "u-7"}
    passed = server.passed()
    # A server that is busy for a moment is asked again.
    assert [each.status for each in passed if each.status != 429] == [200]
    assert passed[0].agent.startswith(sdk.agent)


def test_batches_are_stored_once_and_a_wrong_key_is_told_once(server, sdk, tmp_path):
    prefix, wrong = f"{sdk.slug}-batch-", "rk_" + "A" * 43

    sent = sdk.start(tmp_path, **server.orders(prefix, events=120, gzip=sdk.has_gzip))
    assert json.loads(finish(sent)) == []
    passed = server.passed()
    assert {each.status for each in passed} - {429} == {200}
    assert {each.encoding for each in passed} == {"gzip" if sdk.has_gzip else ""}
    assert len(passed) < 120
    assert sorted(server.keys(prefix)) == sorted(f"seg.{prefix}{n}" for n in range(120))

    server.forget()
    refused = sdk.start(tmp_path, **{**server.orders(prefix), "key": wrong})
    assert json.loads(finish(refused)) == [[sdk.wrong_key, 1]]
    told = [each.status for each in server.passed()]
    assert [status for status in told if status != 429] == [401]


def test_events_of_an_outage_of_the_database_are_stored_once(server, tmp_path):
    need_node()
    server.database.refuse()
    running = {
        sdk.slug: sdk.start(tmp_path, **server.orders(f"{sdk.slug}-away-"))
        for sdk in SDKS
    }

    wait_until(lambda: len(server.passed()) >= len(SDKS))
    told = server.passed()
    server.database.behave()

    for slug, process in running.items():
        assert json.loads(finish(process)) == []
        assert server.keys(f"{slug}-away-") == [f"seg.{slug}-away-0"]
    assert {(each.status, each.retry_after) for each in told} == {(429, "60")}
    assert [each.status for each in server.passed()].count(200) == len(SDKS)
