"""Who sees and changes what: every address of the admin, as each kind of person."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client

from clevertap_sync.admin.events import event_pages
from clevertap_sync.admin.overview import problems_page
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Integration, Replay
from referrals import access
from referrals.models import App, CustomName, Membership, Role
from tests.builders import an_api_key, an_app, an_integration
from tests.integration.admin.browsers import a_browser_of
from tests.integration.admin.conftest import text_of
from tests.integration.admin.permissions import SUPERUSER, check_answer
from tests.integration.admin.test_integration_form import typed
from tests.integration.admin.walk import OWN, a_side, addresses, state, writes

#: What each address is posted: nothing, and what makes any of them act.
BODIES = ({}, {"post": "yes", "location": "sg1", "start": "now"})


@pytest.fixture(autouse=True)
def _sessions_are_remembered(settings):
    """Spare thousands of requests the question for the session that all of them have."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"


@pytest.fixture
def mine(sandbox, db):
    return a_side("alpha", Location.EU1)


@pytest.fixture
def theirs(sandbox, db):
    return a_side("beta", Location.IN1)


@pytest.fixture
def person(db):
    """Return a function that makes a person's browser, with a role in an app or not."""

    def make(name, role=None, app=None, **options):
        user = User.objects.create_user(name, password="x", is_staff=True, **options)
        if role:
            Membership.objects.create(user=user, app=app, role=role)
        return a_browser_of(user)

    return make


@pytest.fixture
def people(db):
    """Rows that are nobody's app's."""
    boss = User.objects.create_superuser("the-boss", password="x")
    return {"user": boss.pk, "group": Group.objects.create(name="the-group").pk}


def test_every_page_as_somebody_without_a_role(mine, person, people):
    nobody = person("nobody")

    for address in addresses(mine, people):
        response = nobody.get(address.url)
        page = text_of(response)
        assert not [mark for mark in mine.marks if mark in page], address
        if address.name not in OWN:
            check_answer(response, address, None)


@pytest.mark.parametrize("role", Role)
def test_a_member_gets_the_pages_of_their_role_and_nothing_of_another_app(
    mine, theirs, person, people, role
):
    member = person("member", role, mine.app)
    other = (
        f"app__id__exact={theirs.app.pk}&integration__id__exact={theirs.integration.pk}"
    )
    own = addresses(mine, people)
    private = mine.private if role == Role.VIEWER else []

    for address in dict.fromkeys([*own, *addresses(theirs, people)]):
        for query in ("", f"?{other}"):
            response = member.get(address.url + query)
            page = text_of(response)
            shown = [mark for mark in theirs.marks if mark in page.replace(other, "")]
            shown += [text for text in private if text in page]
            assert not shown, (address, query)
            if address not in own and address.about_rows:
                assert response.status_code in {302, 403, 404, 405}, address
            elif not query and address.name not in OWN:
                check_answer(response, address, role)
            else:
                assert response.status_code in {200, 302, 403, 404, 405}, address


def test_an_editor_sees_who_an_event_is_about(mine, person):
    editor = person("editor", Role.EDITOR, mine.app)

    shown = text_of(editor.get("/admin/events/alpha/1/"))

    assert all(text in shown for text in mine.private[:3])


def test_a_superuser_gets_every_page_and_a_get_changes_nothing(mine, admin, people):
    before = state()

    for address in addresses(mine, people):
        if address.name not in OWN:
            check_answer(admin.get(address.url), address, SUPERUSER)

    after = state()
    assert [name for name in before if before[name] != after[name]] in ([], ["User"])


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.EDITOR])
def test_no_post_reaches_beyond_a_persons_role(mine, theirs, person, people, role):
    member = person("member", role, mine.app)
    own = addresses(mine, people) if role != Role.EDITOR else []
    # Who has no role knows no difference between the two.
    others = addresses(theirs, people) if role else []
    before = state()

    for address in dict.fromkeys([*others, *own]):
        if address.name in OWN:
            continue
        for data in BODIES:
            with writes() as written:
                response = member.post(address.url, data)
            if address in own:
                check_answer(response, address, role)
            assert response.status_code in {200, 302, 403, 404, 405}, address
            # All rows are compared where a statement could have changed one.
            assert not written or state() == before, (address, written)
    assert state() == before


@pytest.mark.parametrize("who", [Role.EDITOR, SUPERUSER])
def test_a_post_is_taken_from_those_alone_who_may(mine, person, people, admin, who):
    browser = admin if who == SUPERUSER else person("member", who, mine.app)

    for address in addresses(mine, people):
        if address.name in OWN:
            continue
        with transaction.atomic():
            response = browser.post(address.url, {"location": "sg1", "start": "now"})
            transaction.set_rollback(True)
        check_answer(response, address, who)


def test_no_post_without_its_token_changes_anything(mine, people):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get(pk=people["user"]))
    before = state()

    for address in addresses(mine, people):
        response = browser.post(address.url, {"post": "yes"})
        assert response.status_code == 403, address

    assert state() == before


def test_an_action_of_a_list_reaches_only_what_the_role_may_change(
    mine, theirs, person, settings
):
    settings.CUSTOM_NAMES_LIMIT = 0
    member = person("member", Role.EDITOR, mine.app)
    user = User.objects.get(username="member")
    Membership.objects.create(user=user, app=theirs.app, role=Role.VIEWER)
    Replay.objects.update(state=Replay.State.CANCELLED)
    letters = [side.integration.dead_letters.get() for side in (mine, theirs)]
    names = [mine.rows["customname"], theirs.rows["customname"]]

    member.post(
        "/admin/referrals/customname/",
        {"action": "approve", "_selected_action": names},
    )
    member.post(
        "/admin/clevertap_sync/deadletter/",
        {
            "action": "replay_selected",
            "_selected_action": [letter.pk for letter in letters],
            "confirmed": "1",
        },
    )

    approved = CustomName.objects.exclude(approved_at=None)
    assert [name.app for name in approved] == [mine.app]
    running = Replay.objects.filter(state=Replay.State.RUNNING)
    assert [replay.integration for replay in running] == [mine.integration]


def test_an_editor_connects_their_own_app_and_no_other(mine, person):
    other = an_app("gamma")
    third = an_app("delta")
    member = person("member", Role.EDITOR, other)

    refused = member.post("/admin/clevertap_sync/integration/add/", typed(third))
    member.post("/admin/clevertap_sync/integration/add/", typed(other))

    assert "Select a valid choice" in text_of(refused)
    assert [made.app for made in Integration.objects.exclude(app=mine.app)] == [other]


def test_djangos_permissions_count_in_every_app(mine, theirs, staff):
    browser = staff("clevertap_sync.view_upload", "referrals.view_referralevent")

    uploads = text_of(browser.get("/admin/clevertap_sync/upload/"))

    assert mine.integration.account.account_id in uploads
    assert theirs.integration.account.account_id in uploads
    assert browser.get("/admin/events/beta/1/").status_code == 200
    assert browser.get("/admin/problems/").status_code == 403


def test_a_role_lets_a_person_log_in_and_taking_it_away_closes_everything(db):
    app = an_app("shop")
    user = User.objects.create_user("carol", password="x")

    role = Membership.objects.create(user=user, app=app, role=Role.VIEWER)

    carol = User.objects.get(username="carol")
    assert carol.is_staff
    assert carol.has_perm(event_pages.SEES_EVENTS, app)
    assert not carol.has_perm(access.VIEW_IDENTITIES, app)
    assert not access.has_permission(carol, event_pages.SEES_EVENTS, None)
    role.delete()
    carol = User.objects.get(username="carol")
    assert not carol.has_perm(event_pages.SEES_EVENTS, app)
    assert not access.list_apps(carol, event_pages.SEES_EVENTS).exists()


def test_an_inactive_person_has_no_role(db):
    app = an_app("shop")
    user = User.objects.create_user("carol", password="x", is_active=False)
    Membership.objects.create(user=user, app=app, role=Role.EDITOR)

    assert not user.has_perm(event_pages.SEES_EVENTS, app)
    assert not access.list_apps(user, event_pages.SEES_EVENTS).exists()
    user.is_superuser = True
    assert not access.list_apps(user, event_pages.SEES_EVENTS).exists()


def test_a_role_that_is_not_known_gives_nothing(db):
    app = an_app("shop")
    user = User.objects.create_user("carol", password="x")
    Membership.objects.create(user=user, app=app, role="owner")

    assert not user.has_perm(event_pages.SEES_EVENTS, app)


def test_every_permission_that_roles_give_exists(db):
    given = access.list_permissions(Role.EDITOR) | access.list_permissions(Role.VIEWER)
    there = {
        f"{label}.{codename}"
        for label, codename in Permission.objects.values_list(
            "content_type__app_label", "codename"
        )
    }

    assert given <= there
    assert access.list_permissions(Role.VIEWER) < access.list_permissions(Role.EDITOR)


def test_a_superuser_gives_roles_on_the_persons_and_on_the_apps_page(admin):
    app = an_app("shop")
    user = User.objects.create_user("carol", password="x")
    inlines = {
        "api_keys-TOTAL_FORMS": 0,
        "api_keys-INITIAL_FORMS": 0,
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": user.pk,
        "memberships-0-app": app.pk,
        "memberships-0-role": "editor",
    }

    admin.post(f"/admin/referrals/app/{app.pk}/change/", {"name": "Shop", **inlines})
    given = Membership.objects.get()
    page = text_of(admin.get(f"/admin/auth/user/{user.pk}/change/"))

    assert (given.user, given.app, given.role) == (user, app, Role.EDITOR)
    assert "Roles in apps" in page
    assert App.objects.get().name == "Shop"


def test_an_editor_of_an_app_gives_nobody_a_role_in_it(person):
    app = an_app("shop")
    editor = person("member", Role.EDITOR, app)
    carol = User.objects.create_user("carol", password="x")
    page = f"/admin/referrals/app/{app.pk}/change/"

    shown = text_of(editor.get(page))
    editor.post(
        page,
        {
            "name": "Renamed",
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 0,
            "memberships-0-user": carol.pk,
            "memberships-0-app": app.pk,
            "memberships-0-role": "editor",
        },
    )

    assert App.objects.get().name == "Renamed"
    assert "memberships-TOTAL_FORMS" not in shown
    assert not Membership.objects.filter(user=carol).exists()


@pytest.mark.parametrize("role", Role)
def test_an_apps_page_shows_its_keys_to_nobody_who_may_not_see_them(
    person, admin, role
):
    app = an_app("shop")
    prefix = an_api_key(app)[:11]
    page = f"/admin/referrals/app/{app.pk}/change/"

    assert prefix in text_of(admin.get(page))
    assert prefix not in text_of(person("member", role, app).get(page))


def test_a_lists_filter_offers_a_persons_own_apps_and_no_other(person):
    first, theirs, second = (an_integration() for _ in range(3))
    member = person("member", Role.VIEWER, first.app)
    user = User.objects.get(username="member")
    Membership.objects.create(user=user, app=second.app, role=Role.VIEWER)

    by_app = text_of(member.get("/admin/clevertap_sync/integration/"))
    by_integration = text_of(member.get("/admin/clevertap_sync/upload/"))

    offered = re.findall(r"\bapp__id__exact=(\d+)", by_app)
    assert set(map(int, offered)) == {first.app_id, second.app_id}
    offered = re.findall(r"\bintegration__id__exact=(\d+)", by_integration)
    assert set(map(int, offered)) == {first.pk, second.pk}
    assert theirs.app.name not in by_app


def test_no_permission_of_djangos_lets_a_person_make_superusers(staff):
    browser = staff("auth.view_user", "auth.change_user", "auth.add_user")
    bob = User.objects.get(username="bob")

    response = browser.post(
        f"/admin/auth/user/{bob.pk}/change/", {"username": "bob", "is_superuser": "on"}
    )

    bob.refresh_from_db()
    assert response.status_code == 403
    assert not bob.is_superuser


def test_problems_of_other_apps_are_not_counted(mine, theirs, person, rf):
    person("member", Role.VIEWER, mine.app)
    request = rf.get("/")
    request.user = User.objects.get(username="member")

    found = problems_page.group_open_letters(request)

    assert {problem.integration for problem in found} == {mine.integration}


def test_the_overview_of_a_member_has_their_own_card_alone(mine, theirs, person):
    member = person("member", Role.VIEWER, mine.app)
    an_integration(an_app("gamma"), location=Location.SG1)

    page = text_of(member.get("/admin/"))

    assert page.count('class="card integration"') == 1
    assert "Check connection" not in page


@pytest.mark.parametrize(("role", "offered"), [(Role.VIEWER, 0), (Role.EDITOR, 1)])
def test_a_replay_is_offered_to_those_who_may_order_it(mine, person, role, offered):
    member = person("member", role, mine.app)

    page = text_of(member.get("/admin/clevertap_sync/deadletter/"))

    assert page.count('<option value="replay_selected">') == offered


@pytest.mark.parametrize(("permission", "shown"), [(None, 0), ("add_app", 1)])
def test_the_first_steps_are_shown_to_those_who_may_take_them(
    person, permission, shown
):
    member = person("member")
    if permission:
        added = Permission.objects.get(codename=permission)
        User.objects.get(username="member").user_permissions.add(added)

    page = text_of(member.get("/admin/"))

    assert page.count('<ol class="checklist">') == shown
