"""A list as a CSV file: the filtered rows, newest first, up to a limit."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Min, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from referrals.admin.kit import csv_download
from referrals.admin.kit.base import ModelAdmin
from referrals.csv_limits import CUT_NOTE, KEYS_PER_READ, MOST_KEYS, MOST_ROWS

ExportColumn = tuple[str, str | Callable[[Any], object]]


class CsvExport(ModelAdmin):
    """Adds the button and the file. `csv_columns` are pairs of heading and source.

    A source is the path of an attribute, or a function of the row.
    """

    csv_columns: ClassVar[tuple[ExportColumn, ...]] = ()

    def get_urls(self) -> list[URLPattern]:
        """Add the file's address beside the list's."""
        urls = super().get_urls()
        if not self.csv_columns:
            return urls
        view = self.admin_site.admin_view(require_safe(self.export))
        return [path("export/", view, name=f"{self._list()}_export"), *urls]

    def _list(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with what the list shows under the same filters, on all its pages."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            listed = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return redirect(f"admin:{self._list()}_changelist")
        header = [heading for heading, _ in self.csv_columns]
        name = str(self.opts.verbose_name_plural).replace(" ", "-")
        return csv_download.stream_csv(name, header, self._rows(listed.queryset))

    def _rows(self, found: QuerySet[Any]) -> Iterator[list[object]]:
        getters = [
            attrgetter(source) if isinstance(source, str) else source
            for _, source in self.csv_columns
        ]
        for number, row in enumerate(read_by_key(found)):
            if number == MOST_ROWS:
                yield [CUT_NOTE]
                return
            yield [get(row) for get in getters]


def read_by_key(found: QuerySet[Any]) -> Iterator[Any]:
    """Yield the rows with the highest keys first, a bounded stretch of keys at a time."""
    ends = found.model._default_manager.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["high"] is None:
        return
    lowest = max(ends["low"], ends["high"] - MOST_KEYS + 1)
    for top in range(ends["high"], lowest - 1, -KEYS_PER_READ):
        reach = found.filter(pk__lte=top, pk__gt=max(top - KEYS_PER_READ, lowest - 1))
        yield from reach.order_by("-pk")
