"""People who may log in, and their roles in apps. For superusers alone.

A person who may change people could make anyone a superuser, so that no permission of
Django's opens these pages.
"""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from referrals.admin.kit.base import RecordsHistory, SuperusersOnly, TabularInline
from referrals.models import Membership

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    # Django's class cannot be subscripted without a package that only types need.
    _UserAdmin = UserAdmin

# Importing Django's has registered them.
admin.site.unregister([User, Group])


class RoleInline(SuperusersOnly, TabularInline):
    """The person's role in each app."""

    model = Membership
    extra = 0
    verbose_name_plural = "Roles in apps"


@admin.register(User)
class PersonAdmin(RecordsHistory, SuperusersOnly, _UserAdmin):
    """A person who logs in."""

    # Django's two-column lists and split dates have no labels that a screen reader says.
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    inlines = (RoleInline,)


@admin.register(Group)
class PermissionGroupAdmin(RecordsHistory, SuperusersOnly, GroupAdmin):
    """Permissions of Django's own, which count in every app."""

    filter_horizontal = ()
