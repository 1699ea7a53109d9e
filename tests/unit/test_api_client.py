"""What a generator makes of the OpenAPI document: a typed client, without a warning."""

import importlib
import json
import subprocess
from datetime import UTC, datetime

import pytest

from referrals.api import openapi
from tests.harness import commands

NAME = "generated_client"
RESULT = {
    "index": 3,
    "id": "b1c2",
    "status": "rejected",
    "pointer": "/user",
    "detail": "Say who did it.",
}
PROBLEM = {
    "type": "/docs#problem-nothing-stored",
    "title": "No event was stored",
    "status": 422,
    "detail": "Every event was refused.",
    "results": [RESULT],
}
STORED = {
    "id": "b1c2",
    "position": 17,
    "received_at": "2026-11-23T10:15:01.204Z",
    "occurred_at": "2026-11-23T10:15:00Z",
    "type": "app_install",
    "name": None,
    "status": "valid",
    "reasons": [],
    "test": False,
    "request_id": "c0ffee5d19c0ffee",
    "outcomes": [
        {
            "integration": "default",
            "side": "referred",
            "status": "delivered",
            "upload": 4,
            "delivered_at": "2026-11-23T10:15:02.010Z",
        }
    ],
}
TRIAL = {
    "dry_run": True,
    "accepted": 1,
    "rejected": 0,
    "results": [
        {
            "index": 0,
            "id": "b1c2",
            "status": "accepted",
            "records": [
                {
                    "integration": "default",
                    "side": "generated",
                    "status": "dead_letter",
                    "reason": "no_identity",
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The client that openapi-python-client makes, as a package."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_bytes(openapi.encode_document())
    (folder / "config.yml").write_text("post_hooks: []\n", encoding="utf-8")
    subprocess.run(
        [
            *(commands.PROGRAMS / "openapi-python-client", "generate"),
            *("--path", "openapi.json", "--config", "config.yml", "--meta", "none"),
            *("--output-path", NAME, "--fail-on-warning"),
        ],
        cwd=folder,
        check=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda module: importlib.import_module(f"{NAME}.{module}")


def test_a_problem_tells_which_event_failed_and_where(client):
    models = client("models")

    problem = models.Problem.from_dict(PROBLEM)

    (result,) = problem.results
    assert isinstance(result, models.Result)
    assert (result.index, result.id, result.pointer) == (3, "b1c2", "/user")
    assert result.status is models.Status.REJECTED


@pytest.mark.parametrize(
    ("operation", "status", "body", "name"),
    [
        (
            "send_events",
            202,
            {**PROBLEM, **TRIAL, "duplicates": 0, "conflicts": 0},
            "Receipt",
        ),
        ("send_events", 200, TRIAL, "DryRun"),
        *(
            ("send_events", status, PROBLEM, "Problem")
            for status in (400, 401, 403, 405, 413, 415, 422, 500, 503)
        ),
        ("get_event", 200, STORED, "StoredEvent"),
        *(
            ("get_event", status, PROBLEM, "Problem")
            for status in (400, 401, 403, 404, 405, 500, 503)
        ),
    ],
)
def test_every_answer_is_read_as_what_it_is(client, operation, status, body, name):
    httpx = importlib.import_module("httpx")
    module = client(f"api.default.{operation}")
    answer = httpx.Response(status, content=json.dumps(body))

    read = module._parse_response(client=None, response=answer)

    assert type(read).__name__ == name


def test_what_became_of_an_event_is_typed_and_times_are_times(client):
    models = client("models")

    stored = models.StoredEvent.from_dict(STORED)

    (outcome,) = stored.outcomes
    assert isinstance(outcome, models.Outcome)
    assert outcome.side is models.Side.REFERRED
    assert outcome.status is models.OutcomeStatus.DELIVERED
    assert outcome.upload == 4
    assert outcome.delivered_at == datetime(2026, 11, 23, 10, 15, 2, 10_000, tzinfo=UTC)
    assert isinstance(stored.received_at, datetime)


def test_the_records_of_a_dry_run_are_typed(client):
    models = client("models")

    (trial,) = models.DryRun.from_dict(TRIAL).results

    (record,) = trial.records
    assert isinstance(record, models.Preview)
    assert record.status is models.PreviewStatus.DEAD_LETTER
    assert record.reason == "no_identity"
