"""The record of a request's line, which is made without a look for its caller."""

import logging
import os
import threading

import pytest

from integration_project.observability import request_log
from integration_project.observability.request_log import logger

#: When it was made.
OF_TIME = {"created", "msecs", "relativeCreated"}


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_a_record_is_what_logging_makes(level):
    extra = {"status": 202, "app": "shop"}
    expected = logger.makeRecord(
        logger.name, level, request_log.__file__, 0, "request", (), None, extra=extra
    )

    made = request_log._make_record(level, extra)

    assert list(vars(made)) == list(vars(expected))
    assert without_time(made) == without_time(expected)
    assert made.created >= expected.created
    assert made.msecs == int(made.created % 1 * 1000)
    since = (made.created - expected.created) * 1000
    assert made.relativeCreated == pytest.approx(expected.relativeCreated + since)


def test_a_record_names_its_thread_and_process():
    made = []
    thread = threading.Thread(
        target=lambda: made.append(request_log._make_record(logging.INFO, {})),
        name="request-3",
    )
    thread.start()
    thread.join()

    assert made[0].threadName == "request-3"
    assert made[0].thread == thread.ident
    assert made[0].process == os.getpid()


def without_time(record):
    return {name: value for name, value in vars(record).items() if name not in OF_TIME}
