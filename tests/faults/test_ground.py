"""The ground under the scenarios: it gives way to a worker that is still at work."""

import threading
from contextlib import closing

import psycopg

from clevertap_sync.models import Integration
from tests.builders import an_app, an_integration
from tests.harness.process import wait_until

WRITE = "UPDATE clevertap_sync_integration SET last_served_at = now() WHERE id = %s"
WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def test_forgetting_starts_over_where_a_deadlock_ends_it(grounds):
    ground = grounds("postgresql")
    ground.rest()
    with ground.django():
        apps = [an_app(f"app-{ground.number()}") for _ in range(2)]
        first, last = (an_integration(app).pk for app in apps)

    url = ground.stack.database.url
    with closing(psycopg.connect(url)) as worker:
        # Of the two in the deadlock, the ground is the one that finds it and is ended.
        worker.execute("SET deadlock_timeout = '1h'")
        worker.execute(WRITE, [last])
        forgetting = threading.Thread(target=ground.forget)
        forgetting.start()
        wait_until(lambda: ground.stack.database.rows(WAITS) == [(1,)])
        worker.execute(WRITE, [first])
        worker.commit()
        forgetting.join()

    with ground.django():
        found = Integration.objects.filter(pk__in=[first, last], enabled=False)
        assert found.exclude(last_served_at=None).count() == 2
