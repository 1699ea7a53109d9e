"""People at the admin: who cannot log in, whose forms are refused, and what they see."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Self

import requests

from tests.acceptance.leaks.callers import UNREADABLE, WRONG
from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, PERSONAL, TOLD
from tests.harness.process import PATIENCE_SECONDS

LOGIN: Final = "/admin/login/"


class Browser:
    """A browser that keeps its cookies and sends forms, without following redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self.session.get(
            f"{self._url}{path}", timeout=PATIENCE_SECONDS, allow_redirects=False
        )

    def post(
        self, path: str, fields: Mapping[str, str], **headers: str
    ) -> requests.Response:
        """Send a form, with the token that goes with this browser's cookie."""
        token = self.session.cookies.get("csrftoken", "")
        return self.session.post(
            f"{self._url}{path}",
            data={"csrfmiddlewaretoken": token, **fields},
            headers={"Referer": f"{self._url}{path}", **headers},
            timeout=PATIENCE_SECONDS,
            allow_redirects=False,
        )

    def log_in(self, name: str, password: str) -> requests.Response:
        """Log in, or try to."""
        self.get(LOGIN)
        return self.post(LOGIN, {"username": name, "password": password})


def fail_to_log_in(evidence: Evidence, url: str, name: str) -> None:
    """Guess, until guessing is refused; send the form from elsewhere, or without a cookie."""
    wrong = TOLD["wrong password"]
    with Browser(url) as browser:
        for number, who in enumerate((name, ASKED["name of a login"], *[name] * 4)):
            evidence.answer("login", f"guess {number}", browser.log_in(who, wrong))
        fields = {"username": ASKED["name of a login"], "password": wrong}
        away = browser.post(
            f"{LOGIN}?next=https://{ASKED['query']}.example.com", fields
        )
        evidence.answer("login", "a way elsewhere", away)
        elsewhere = browser.post(
            LOGIN, fields, Origin=f"https://{ASKED['header']}.example.com"
        )
        evidence.answer("login", "from elsewhere", elsewhere)
        browser.session.cookies.clear()
        browser.session.cookies.set("sessionid", TOLD["session of nobody"])
        evidence.answer("login", "no cookie", browser.post(LOGIN, fields))
        evidence.answer("login", "no session", browser.get("/admin/"))


def _forms(integration: int, source: int) -> dict[str, tuple[str, dict[str, str]]]:
    """Return forms that are refused, or end in a failure: where they go, with what."""
    alert = "/admin/clevertap_sync/alert/add/"
    one = f"/admin/clevertap_sync/integration/{integration}"
    mapping = f"/admin/sources/{source}/mapping/"
    person = PERSONAL["person to be erased"]
    told = {
        "new_url": f"ftp://127.0.0.1/{TOLD['address of an alert']}",
        "new_heartbeat_url": f"ftp://127.0.0.1/{TOLD['address of a heartbeat']}",
    }
    sound = {name: url.replace("ftp", "http") for name, url in told.items()}
    new = TOLD["wrong password"]
    return {
        "an address of an alert": (alert, {"way": "webhook", **told}),
        "an alert that lacks its name": (alert, {"way": "webhook", **sound}),
        "a passcode of another shape": (
            f"{one}/change/",
            {"new_passcode": f"{TOLD['passcode']} {TOLD['wrong passcode']}"},
        ),
        "a passcode for another account": (
            f"{one}/change/",
            {"new_passcode": TOLD["wrong passcode"], "account_id": UNREADABLE},
        ),
        "whom to erase": (
            "/admin/referrals/erasurerequest/erase/",
            {"app": "1", "identities": f"{person}\n{WRONG}"},
        ),
        "one's own password": (
            "/admin/password_change/",
            {"old_password": new, "new_password1": new, "new_password2": f"{new}2"},
        ),
        "a new user": (
            "/admin/auth/user/add/",
            {"username": "root", "password1": new, "password2": f"{new}2"},
        ),
        "an API key": ("/admin/referrals/apikey/add/", {"app": UNREADABLE}),
        "what is to be previewed": (
            f"/admin/preview/{integration}/",
            {"json": f'{{"user": "{person}"'},
        ),
        "a test event": (f"/admin/test-event/{integration}/", {"identity": WRONG}),
        "a person to look up": (f"{one}/user/", {"identity": ""}),
        "a range to replay": (f"{one}/replay-range/", {"first": UNREADABLE}),
        "where to start": (f"{one}/enable/", {"start": UNREADABLE, "date": WRONG}),
        "a new source": (
            "/admin/referrals/source/add/",
            {"app": UNREADABLE, "platform": "branch", "name": person},
        ),
        "a source's settings": (
            f"/admin/referrals/source/{source}/change/",
            {"name": "", "identity": WRONG, "keys": person},
        ),
        "a secret that a platform made": (
            f"/admin/referrals/source/{source}/connect/",
            {"secret": f"{TOLD['wrong secret of a source']}\t{UNREADABLE}"},
        ),
        "a mapping that is no JSON": (
            mapping,
            {"mode": "json", "do": "save", "text": f'{{"user": "{person}"'},
        ),
        "a mapping with mistakes": (
            mapping,
            {
                "mode": "json",
                "do": "save",
                "text": f'{{"id": {{"path": "{WRONG[:9]}"}}}}',
            },
        ),
    }


def send_forms_wrongly(
    evidence: Evidence, browser: Browser, integration: int, source: int
) -> None:
    """Send each form with something in it that is refused."""
    for name, (path, fields) in _forms(integration, source).items():
        answer = browser.post(path, fields)
        assert answer.status_code == HTTPStatus.OK, name
        evidence.answer("form", name, answer)


#: Addresses of the admin at which there is nothing, or nothing of the kind.
NOWHERE: Final = (
    *(f"/admin/{ASKED['path']}/", f"/admin/referrals/app/{ASKED['path']}/change/"),
    f"/admin/clevertap_sync/deadletter/?{ASKED['query']}__lt={ASKED['query']}",
    f"/admin/clevertap_sync/upload/?state={ASKED['query']}&e=1",
    f"/admin/events/{ASKED['path']}/1/",
    f"/admin/problems/1/{ASKED['path']}/replay/",
)
#: Lists and pages, from the menu and from its lists. {} is the integration's number,
#: {source} that of a source whose calls are captured.
PAGES: Final = (
    *("/admin/", "/admin/problems/", "/admin/ingest/", "/admin/referrals/"),
    *("/admin/events/", "/admin/events/shop/1/", "/admin/events/export/"),
    *("/admin/preview/", "/admin/test-event/", "/admin/announce/{}/"),
    "/admin/announce/{}/schema.csv",
    *(
        f"/admin/{model}/{what}"
        for model in (
            *("referrals/app", "referrals/apikey", "referrals/customname"),
            *(
                "referrals/rejectedevent",
                "referrals/source",
                "clevertap_sync/integration",
            ),
            *("clevertap_sync/attempt", "clevertap_sync/deadletter"),
            *("clevertap_sync/replay", "clevertap_sync/upload"),
        )
        for what in ("", "export/")
    ),
    *("/admin/auth/user/", "/admin/referrals/erasurerequest/"),
    *("/admin/clevertap_sync/alert/", "/admin/clevertap_sync/alert/1/change/"),
    "/admin/clevertap_sync/alert/1/history/",
    *(
        f"/admin/clevertap_sync/integration/{{}}/{page}/"
        for page in ("change", "check")
    ),
    "/admin/clevertap_sync/integration/{}/history/",
    "/admin/referrals/source/add/",
    *(
        f"/admin/referrals/source/add/?platform={name}"
        for name in ("adjust", "segment")
    ),
    *(
        f"/admin/referrals/source/{{source}}/{page}/"
        for page in ("change", "connect", "archive", "history")
    ),
    *(f"/admin/sources/{{source}}/{page}" for page in ("mapping/", "mapping/?as=json")),
    "/admin/sources/{source}/sample/",
)


def look_everywhere(
    evidence: Evidence, browser: Browser, who: str, integration: int, source: int
) -> None:
    """Open every page, and what is none."""
    for path in (*NOWHERE, *PAGES):
        answer = browser.get(path.format(integration, source=source))
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, path
        evidence.answer(f"page for {who}", path, answer)
