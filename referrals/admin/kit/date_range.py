"""A filter of lists by date that reads no more rows than it shows.

Rows are written in the order of their keys, and hardly differ from that of their instants.
So a date becomes a key by halving, and no index on the instants is needed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Max, Min, QuerySet
from django.http import HttpRequest

from referrals.admin.kit.page_keys import AFTER, BEFORE

SINCE, UNTIL = "since", "until"


class DatesForm(forms.Form):
    """Two days in UTC, both included, either of them left open."""

    since = forms.DateField(required=False)
    until = forms.DateField(required=False)


class DateRange(admin.ListFilter):
    """Keeps the rows of some days. A subclass names the column of their instants."""

    title = "date"
    template = "referrals/date_range.html"
    column: str
    #: The keys of the days, both included; a list paged by key looks no farther.
    first_key: int = 1
    last_key: int | None = None

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Any],
        model_admin: Any,
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in {SINCE, UNTIL, BEFORE, AFTER, "p", "e"}
        ]
        for name in (SINCE, UNTIL):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.form = DatesForm(self.used_parameters)

    def has_output(self) -> bool:
        """Return that it is always shown."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names that it takes from the address."""
        return [SINCE, UNTIL]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Yield the one thing that its template shows: itself."""
        yield {"filter": self, "active": bool(self.used_parameters)}

    def queryset(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
    ) -> QuerySet[Any]:
        """Keep the rows whose keys lie between those of the days."""
        if not self.form.is_valid():
            raise IncorrectLookupParameters
        since, until = self.form.cleaned_data[SINCE], self.form.cleaned_data[UNTIL]
        rows = queryset.model._default_manager.all()
        if since:
            self.first_key = _find_last_key_before(rows, self.column, since) + 1
            queryset = queryset.filter(pk__gte=self.first_key)
        if until:
            end = until + timedelta(days=1)
            self.last_key = _find_last_key_before(rows, self.column, end)
            queryset = queryset.filter(pk__lte=self.last_key)
        return queryset


def filter_by_date(column: str) -> type[DateRange]:
    """Return the filter over this column."""
    return type("By", (DateRange,), {"column": column})


def _find_last_key_before(rows: QuerySet[Any], column: str, day: date) -> int:
    """Return the last key whose row was written before the day began, in UTC.

    Costs two reads by key per halving, however many rows there are.
    """
    begins = datetime.combine(day, time(), UTC)
    ends = rows.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["high"] is None:
        return 0
    low, high = ends["low"] - 1, ends["high"]
    while low < high:
        middle = (low + high + 1) // 2
        # Keys have gaps: the row at the middle, or the next one below.
        below = rows.filter(pk__lte=middle).order_by("-pk").values_list("pk", column)
        found = below.first()
        if found is None or found[1] < begins:
            low = middle
        else:
            high = found[0] - 1
    return int(low)
