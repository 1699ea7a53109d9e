"""What all our admin pages are made of: rows that are only read, lists that never count.

A page shows the rows of the apps in which the person may see them, and no others.
"""

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from referrals import access, history, words
from referrals.models import App

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.contrib.admin.options import InlineModelAdmin
    from django.forms import ModelChoiceField

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

#: How far a list can be paged. Beyond that, a filter is quicker.
MOST_COUNTED: Final = 1_000


class CappedPaginator(_Paginator):
    """Counts up to `MOST_COUNTED` rows and no further, however large the table is."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or the cap where there are more."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class OwnAppsFilter(admin.RelatedFieldListFilter):
    """Offers what belongs to the person's apps, and nothing else."""

    def field_choices(
        self,
        field: Any,
        request: HttpRequest,
        model_admin: Any,
    ) -> Any:
        """Return the choices that the person may see."""
        related = field.remote_field.model
        path = "pk" if related is App else "app"
        seen = model_admin.permissions("view")
        chosen = access.limit_to_apps(related.objects.all(), request.user, path, *seen)
        ordering = self.field_admin_ordering(field, request, model_admin)
        # With what their names are made of, in the same query.
        rows = chosen.select_related().order_by(*(ordering or ()))
        return [(row.pk, str(row)) for row in rows]


class RecordsHistory:
    """Records each change on a page in the history, beside Django's own log."""

    def find_app(self, row: Any) -> App | None:
        """Return the app that a row belongs to; none, unless a page says otherwise."""
        return None

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,
    ) -> Any:
        """Keep the form's differences until `log_change` or `log_addition` records them."""
        # A password's form has no row of its own.
        row = getattr(form, "instance", None) or form.user
        row.__dict__["differences"] = [
            *([] if add else history.list_differences(form)),
            *(
                each
                for formset in formsets or ()
                for each in _list_row_changes(formset)
            ),
        ]
        return super().construct_change_message(request, form, formsets, add)  # type: ignore[misc]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Record that the row was made."""
        what = message if isinstance(message, str) else "Created."
        self._record(request, obj, what)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Record the change; a form that changed nothing is no change."""
        differences = obj.__dict__.get("differences")
        if isinstance(message, str) or differences:
            what = message if isinstance(message, str) else "Changed."
            self._record(request, obj, what)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Record the deletion of each row."""
        for row in queryset:
            self._record(request, row, "Deleted.")
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the row's history, for superusers alone."""
        if not request.user.is_superuser:
            raise PermissionDenied
        kind = self.opts.model_name  # type: ignore[attr-defined]
        query = urlencode([("kind", kind), ("row", unquote(object_id))])
        return redirect(f"{reverse('admin:history')}?{query}")

    def _record(self, request: HttpRequest, row: Any, what: str) -> None:
        history.record_change(
            request.user.get_username(),
            row,
            what,
            app=self.find_app(row),
            differences=row.__dict__.pop("differences", ()),
        )


def _list_row_changes(formset: Any) -> "Iterator[history.Difference]":
    """Yield the differences of an inline's rows, such as a person's roles."""
    name = str(formset.model._meta.verbose_name).capitalize()
    before = {form.instance.pk: form.initial for form in formset.initial_forms}
    for row in getattr(formset, "new_objects", ()):
        yield name, history.EMPTY, str(row)
    for row, changed in getattr(formset, "changed_objects", ()):
        old = copy(row)
        for field in changed:
            attribute = row._meta.get_field(field).attname
            setattr(old, attribute, before[row.pk][field])
        yield name, str(old), str(row)
    for row in getattr(formset, "deleted_objects", ()):
        yield name, str(row), history.EMPTY


class ListAdmin(RecordsHistory, ModelAdmin):
    """A list that is newest first, fifty to a page, and never counts a big table."""

    #: How a row leads to its app; "pk" where it is one.
    app_path: ClassVar[str] = "app"

    #: What a list without a row says, and the name of the page that has the next step,
    #: with its label.
    empty_state: ClassVar[str] = "There is nothing here yet."
    next_step: ClassVar[tuple[str, str] | None] = None

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    ordering: ClassVar[Any] = ("-pk",)
    empty_value_display = words.NOTHING
    actions: Any = None

    def permissions(self, action: str) -> "Sequence[str]":
        """Return the permissions of which any allows `action`; to change includes to view."""
        actions = ("view", "change") if action == "view" else (action,)
        label = self.opts.app_label
        return [f"{label}.{get_permission_codename(a, self.opts)}" for a in actions]

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Offer one way to save, and show what the page has beside the form."""
        one_way = {"show_save_and_add_another": False, "show_save_and_continue": False}
        shown = one_way | context | self.build_extra_context(request, context, obj)
        return super().render_change_form(request, shown, add, change, form_url, obj)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: Any,
    ) -> dict[str, Any]:
        """Return the context that the template of a row's page needs beside Django's own."""
        return {}

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,
        **options: Any,
    ) -> Any:
        """Offer no button beside a choice of rows that would edit a row in between."""
        form = super().get_form(request, obj, change, **options)
        for field in form.base_fields.values():
            if isinstance(field.widget, RelatedFieldWidgetWrapper):
                for action in ("add", "change", "delete", "view"):
                    setattr(field.widget, f"can_{action}_related", False)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Choose the app where there is but one to choose."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        field = self.get_form(request).base_fields.get("app")
        if field is None or not field.required:
            return initial
        apps = field.queryset.filter(archived_at=None)[:2]
        return {"app": apps[0].pk, **initial} if len(apps) == 1 else initial

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the apps in which the person may see them."""
        return self.limit_rows(super().get_queryset(request), request, "view")

    def limit_rows(
        self, rows: QuerySet[Any], request: HttpRequest, action: str
    ) -> QuerySet[Any]:
        """Keep the rows that the person may do `action` with: what an action begins with."""
        return access.limit_to_apps(
            rows, request.user, self.app_path, *self.permissions(action)
        )

    def find_app(self, row: Any) -> App | None:
        """Return the app that a row belongs to."""
        if self.app_path == "pk":
            return row  # type: ignore[no-any-return]
        for name in self.app_path.split("__"):
            row = getattr(row, name)
        return row  # type: ignore[no-any-return]

    def _may(self, request: HttpRequest, action: str, row: Model | None) -> bool:
        wanted = self.permissions(action)
        if row is None:
            return any(request.user.has_perm(permission) for permission in wanted)
        app = self.find_app(row)
        return any(
            access.has_permission(request.user, permission, app)
            for permission in wanted
        )

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person sees the row; without one, any."""
        return self._may(request, "view", obj)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person may change the row; without one, any."""
        return self._may(request, "change", obj)

    def has_delete_permission(
        self,
        request: HttpRequest,
        obj: Model | None = None,
    ) -> bool:
        """Refuse: nothing that the log or the books rest on is deleted by hand."""
        return False

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Let filters by app and by integration offer the person's own."""
        return [
            (each, OwnAppsFilter) if each in {"app", "integration"} else each
            for each in super().get_list_filter(request)
        ]

    def formfield_for_foreignkey(
        self,
        db_field: "ForeignKey[Any, Any]",
        request: HttpRequest,
        **options: Any,
    ) -> "ModelChoiceField[Any] | None":
        """Offer the apps to which the person may add such a row."""
        if db_field.related_model is App:
            options["queryset"] = access.list_apps(
                request.user, *self.permissions("add")
            )
        return super().formfield_for_foreignkey(db_field, request, **options)


class SeenBySuperusers:
    """Rows that superusers alone see: Django's permissions open them to no one else."""

    def has_view_permission(
        self,
        request: HttpRequest,
        obj: Model | None = None,
    ) -> bool:
        """Return whether the person is a superuser."""
        return bool(request.user.is_superuser)


class SuperusersOnly(SeenBySuperusers):
    """Pages on which superusers, and no others, see and change everything."""

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person is a superuser."""
        return self.has_view_permission(request, obj)

    def has_add_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person is a superuser."""
        return self.has_view_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person is a superuser."""
        return self.has_view_permission(request, obj)


class OnlyRead:
    """Rows that the engine writes, and a person only reads."""

    def has_add_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Refuse: only the engine writes these rows."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,
        obj: Model | None = None,
    ) -> bool:
        """Refuse: only the engine changes these rows."""
        return False


class ReadOnlyAdmin(OnlyRead, ListAdmin):
    """A list and pages of such rows."""


class ReadOnlyInline(OnlyRead, TabularInline):
    """Such rows of another table, below the row that they belong to."""

    extra = 0
    can_delete = False
    show_change_link = True


def demand_permission(
    request: HttpRequest, permission: str, app: App | None = None
) -> None:
    """Raise `PermissionDenied` unless the person has `permission` in `app`.

    Without an app: in any. A view that is about one app must name it.
    """
    if not request.user.has_perm(permission, app):
        raise PermissionDenied
