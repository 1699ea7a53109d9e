"""What all our admin pages are made of: rows that are only read, lists that never count."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest

from referrals.admin import words

if TYPE_CHECKING:
    from django.contrib.admin.options import InlineModelAdmin

    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    _Paginator = Paginator[Any]
    _Inline = InlineModelAdmin[Any, Any]
else:
    # Django's classes cannot be subscripted without a package that only types need.
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    _Paginator = Paginator
    _Inline = object

#: How far a list can be paged. Beyond that, a filter is quicker for everybody.
COUNTED: Final = 1_000


class CappedPaginator(_Paginator):
    """Counts up to `COUNTED` rows and no further, however large the table is."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or the cap where there are more."""
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class ListAdmin(ModelAdmin):
    """A list that is newest first, fifty to a page, and never counts a big table."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    ordering: ClassVar[Any] = ("-pk",)
    empty_value_display = words.NOTHING
    actions: Any = None

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse: nothing that the log or the books rest on is deleted by hand."""
        return False


class ReadOnlyAdmin(ListAdmin):
    """Rows that the engine writes, and a person only reads."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse: only the engine writes these rows."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse: only the engine changes these rows."""
        return False


class ReadOnlyInline(TabularInline):
    """Rows of another table, below the row that they belong to."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse: only the engine writes these rows."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse: only the engine changes these rows."""
        return False


def demand(request: HttpRequest, permission: str) -> None:
    """Raise `PermissionDenied` unless the person has `permission`."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
