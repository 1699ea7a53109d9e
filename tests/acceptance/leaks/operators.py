"""Operators: commands with wrong arguments, and starts with a wrong environment."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.acceptance.leaks.callers import UNREADABLE, WRONG, an_event_of_them
from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, OF_THE_ENVIRONMENT, PERSONAL, TOLD
from tests.harness import commands
from tests.harness.process import PATIENCE_SECONDS, temporary_folder
from tests.harness.stack import Stack

#: Which variable a sentence of a refusal is about.
_ABOUT: Final = re.compile(r"^  - (?:the first of )?([A-Z_]+)", re.MULTILINE)
_PERSON: Final = f"email={PERSONAL['person to be erased']}"
_PROGRAM: Final = Path(__file__).with_name("several.py")
#: Addresses at which nobody is, with the passwords that would be shown there.
NOBODY: Final = {
    "DATABASE_URL": f"postgresql://root:{OF_THE_ENVIRONMENT['database password']}"
    "@127.0.0.1:1/referrals",
    # A pool would wait for one.
    "DATABASE_POOL": "0",
    "REDIS_URL": f"redis://:{OF_THE_ENVIRONMENT['Redis password']}@127.0.0.1:1/0",
}
_NO_KEYS: Final = {"FIELD_ENCRYPTION_KEYS": f"{UNREADABLE}-of-twenty-characters,short"}
_WITHOUT_A_DATABASE: Final = (
    *("delivery_status", "migrate", "check_clevertap", "rotate_keys"),
    f"forget shop --identity {_PERSON}",
)


def _orders(folder: Path) -> dict[str, str]:
    """Return command lines, and what each reads."""
    lines, table = folder / "events.jsonl", folder / "events.csv"
    lines.write_text(f"{json.dumps(an_event_of_them(type=WRONG))}\n{UNREADABLE}\n")
    table.write_text(f"id,type,{UNREADABLE}\n1,{UNREADABLE},2,3\n", "utf-8")
    wrong, person = shlex.quote(WRONG), PERSONAL["person to be erased"]
    provision = "provision two --account-id DEM-EU1-0001 --identity-provider email"
    return {
        f"{provision} --location eu1 --passcode {TOLD['wrong passcode']}": "",
        f"{provision} --location {UNREADABLE}": "",
        f"{provision} --location eu1 --passcode-stdin": "",
        f"{provision} --location eu1 --integration {wrong}": TOLD["passcode"],
        f"forget shop {person}": "",
        f"forget shop --identity {wrong}": "",
        f"forget {UNREADABLE} --identity {_PERSON}": "",
        "forget shop --stdin": f"{_PERSON}\n{WRONG}\n",
        f"forget shop --identity {_PERSON} --delete-in-clevertap": "",
        f"forget shop --identity {_PERSON} --json": "",
        f"replay shop --letter {wrong}": "",
        f"replay shop --from {wrong} --to {UNREADABLE}": "",
        f"replay shop {_PERSON}": "",
        f"import_events shop {lines}": "",
        f"import_events shop {table}": "",
        f"import_events shop {table} --separator {UNREADABLE}": "",
        f"import_events shop {table} --encoding {UNREADABLE}": "",
        f"import_events shop /{ASKED['path']}/none": "",
        "import_events shop -": f'{{"user": "{person}"',
        f"check_clevertap shop --passcode {TOLD['wrong passcode']}": "",
        "check_clevertap shop": "",
        f"check_clevertap {UNREADABLE}": "",
        "delivery_status": "",
        "delivery_status --json": "",
        "rotate_keys": "",
        "rotate_keys --check": "",
        f"rotate_keys {OF_THE_ENVIRONMENT['newest field key']}": "",
        "check --deploy --database default": "",
    }


def give_orders(evidence: Evidence, stack: Stack) -> None:
    """Run commands to their end: with wrong arguments, without a database, without keys."""
    _run("command", evidence, stack.env, _orders(temporary_folder("orders")))
    alone = dict.fromkeys(_WITHOUT_A_DATABASE, "")
    _run("command without a database", evidence, {**stack.env, **NOBODY}, alone)
    without = dict.fromkeys(
        ("check --database default", "rotate_keys", "check_clevertap"), ""
    )
    _run("command without keys", evidence, {**stack.env, **_NO_KEYS}, without)


def _run(
    family: str, evidence: Evidence, env: dict[str, str], orders: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, _PROGRAM],
        cwd=commands.ROOT,
        env={
            **env,
            "DJANGO_SETTINGS_MODULE": "integration_project.settings",
            "PYTHONPATH": str(commands.ROOT),
        },
        input=json.dumps(
            [[shlex.split(line), stdin] for line, stdin in orders.items()]
        ),
        text=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for number, printed in enumerate(json.loads(done.stdout)):
        evidence.drive(family, f"{number} {list(orders)[number].split()[0]}", printed)
    evidence.find(f"log: {family}", done.stderr)


def start_wrongly(evidence: Evidence, stack: Stack, names: frozenset[str]) -> set[str]:
    """Start each process with nothing but wrong values; return what they complain of."""
    wrong = {**dict.fromkeys(names, UNREADABLE), "PORT": f"{UNREADABLE} {WRONG}"}
    programs = {
        "check": ["manage.py", "check"],
        **{
            name: ["celery" if name == "worker" else "gunicorn", *_OPTIONS[name]]
            for name in ("web", "worker")
        },
    }
    complaints = set()
    for name, arguments in programs.items():
        env = {
            **stack.env,
            **wrong,
            "DJANGO_SETTINGS_MODULE": "integration_project.settings",
        }
        done = commands.run_warm(arguments, env=env, folder=temporary_folder("start"))
        printed = f"{done.stdout}\n{done.stderr}"
        assert done.returncode != 0
        complaints |= set(_ABOUT.findall(printed))
        evidence.drive("start", name, printed)
    return complaints


_OPTIONS: Final = {
    "web": [],
    "worker": ["--quiet", "--app", "integration_project", "worker", "--pool=threads"],
}
