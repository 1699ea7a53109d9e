"""Permissions in apps: of people who log in, by role.

A permission of Django's own, given to a person or a group, counts in every app. A role
in one app gives the permissions of that role there and nowhere else. A superuser may do
everything, and alone gives roles.

Roles start out empty. A module that adds a page calls `grant_permissions` for the roles
that may see it; a page without such a call is closed to every role.
"""

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model, QuerySet

from referrals.models import App, Membership, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    AdminUser = User | AnonymousUser

_Row = TypeVar("_Row", bound=Model)

VIEW_IDENTITIES: Final = "referrals.view_identities"

_granted: Final[dict[str, set[str]]] = {role: set() for role in Role}


def grant_permissions(role: Role, *permissions: str) -> None:
    """Give `role` these permissions, in the app that the role is for.

    An editor has what a viewer has.
    """
    _granted[role].update(permissions)


def list_permissions(role: str) -> AbstractSet[str]:
    """Return the permissions of a role in its app; none for an unknown role."""
    if role == Role.EDITOR:
        return _granted[Role.VIEWER] | _granted[Role.EDITOR]
    return _granted.get(role, set())


class RolesBackend(ModelBackend):
    """Django's own permissions, and those that roles give.

    Asked without an app, it says whether the person may do something in any app: enough
    for a menu, never for a row.
    """

    def get_all_permissions(
        self,
        user_obj: Any,
        obj: Model | None = None,
    ) -> set[str]:
        """Return the permissions everywhere, and those in `obj`, an app; or in any app."""
        everywhere: set[str] = super().get_all_permissions(user_obj)
        if not user_obj.is_active or user_obj.is_anonymous:
            return everywhere
        roles = _roles(user_obj)
        if obj is None:
            return everywhere.union(*map(list_permissions, roles.values()))
        role = roles.get(obj.pk, "") if isinstance(obj, App) else ""
        return everywhere | list_permissions(role)


def has_permission(person: "AdminUser", permission: str, app: App | None) -> bool:
    """Return whether the person may do this in `app`; without one, in every app."""
    if app is not None:
        return person.has_perm(permission, app)
    return _may_everywhere(person, permission)


def list_apps(person: "AdminUser", *permissions: str) -> QuerySet[App]:
    """Return the apps in which the person has any of these permissions."""
    return limit_to_apps(App.objects.all(), person, "pk", *permissions)


def limit_to_apps(
    rows: QuerySet[_Row], person: "AdminUser", path: str, *permissions: str
) -> QuerySet[_Row]:
    """Keep the rows of apps in which the person has any of these permissions.

    `path` leads from a row to its app, such as "integration__app".
    """
    if any(_may_everywhere(person, permission) for permission in permissions):
        return rows
    if not person.is_active or person.is_anonymous:
        return rows.none()
    wanted = set(permissions)
    found = [
        app for app, role in _roles(person).items() if wanted & list_permissions(role)
    ]
    return rows.filter(**{f"{path}__in": found})


def _may_everywhere(person: "AdminUser", permission: str) -> bool:
    """Return whether Django's own permissions, which know no app, allow it."""
    if person.is_superuser and person.is_active:
        return True
    return permission in ModelBackend().get_all_permissions(person)


def _roles(person: Any) -> dict[int, str]:
    """Return the person's role by app, read once for each request's user."""
    kept: dict[int, str] | None = person.__dict__.get("_roles")
    if kept is None:
        rows = Membership.objects.filter(user=person.pk).values_list("app", "role")
        kept = person.__dict__["_roles"] = dict(rows)
    return kept
