"""Lists of tables that never stop growing: paged by key, never counted, never read whole.

The millionth page costs what the first one does. A filter that no index serves looks at
`WINDOW` rows at a time and says so; the next page looks further back.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.http import HttpRequest

from referrals.admin.kit.base import ReadOnlyAdmin
from referrals.admin.kit.date_range import SINCE, UNTIL, DateRange
from referrals.admin.kit.page_keys import AFTER, BEFORE, read_page_key

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many keys a filter goes through for one page.
WINDOW: Final = 50_000


class KeysetAdmin(ReadOnlyAdmin):
    """A list of what the engine writes, newest first.

    `indexed_lookups` are the filters that an index serves in the order of the keys.
    """

    indexed_lookups: ClassVar[frozenset[str]] = frozenset()
    sortable_by = ()

    def get_changelist(
        self,
        request: HttpRequest,
        **kwargs: Any,
    ) -> type[ChangeList]:
        """Return the list that is paged by key."""
        return KeysetChangeList


class KeysetChangeList(ChangeList):
    """One page, and the addresses of the ones beside it."""

    window: tuple[int, int] | None = None
    older = newer = newest = ""

    def get_filters_params(self, params: Any = None) -> Any:
        """Leave the place in the list out: it is no filter."""
        found = super().get_filters_params(params)
        return {k: v for k, v in found.items() if k not in {BEFORE, AFTER}}

    def get_query_string(
        self,
        new_params: Any = None,
        remove: "Iterable[str] | None" = None,
    ) -> str:
        """Begin at the newest again whenever anything else of the address changes."""
        return super().get_query_string(new_params, [*(remove or ()), BEFORE, AFTER])

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        """Order by key; an order in the address is ignored."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more to know whether another one follows."""
        before, after = self._place(BEFORE), self._place(AFTER)
        size = self.list_per_page
        if after:
            low, high = after + 1, self._reach(after + WINDOW, self._newest)
            rows = self.queryset.filter(pk__range=(low, high)).order_by("pk")
        else:
            high = before - 1 if before else self._newest
            low = self._reach(high - WINDOW + 1, self._oldest)
            rows = self.queryset.filter(pk__range=(low, high))
        found = list(rows[: size + 1])
        self._show(found[:size], going_up=bool(after))
        if len(found) > size:
            low, high = self._narrowed(low, high, going_up=bool(after))
        self._link(low, high)

    def _reach(self, bounded: int, farthest: int) -> int:
        """Return the last key that a page looks at: the farthest one only with an index."""
        if self._is_indexed:
            return farthest
        low, high = sorted((self._oldest, self._newest))
        return min(max(bounded, low), high)

    def _show(self, shown: list[Any], *, going_up: bool) -> None:
        self.result_list = shown[::-1] if going_up else shown
        self.result_count = len(shown)
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = False
        self.multi_page = False

    def _narrowed(self, low: int, high: int, *, going_up: bool) -> tuple[int, int]:
        """Return the keys that the page covers where there was no room for all."""
        if going_up:
            return low, self.result_list[0].pk
        return self.result_list[-1].pk, high

    def _link(self, low: int, high: int) -> None:
        if not self._is_indexed:
            self.window = (low, high)
        if low > self._oldest:
            self.older = self.get_query_string({BEFORE: low})
        if high < self._newest:
            self.newer = self.get_query_string({AFTER: high})
            self.newest = self.get_query_string()

    @cached_property
    def _newest(self) -> int:
        newest = self.model._default_manager.order_by("-pk")
        last = newest.values_list("pk", flat=True).first() or 0
        return min([last, *(d.last_key for d in self._days if d.last_key is not None)])

    @cached_property
    def _oldest(self) -> int:
        return max([1, *(days.first_key for days in self._days)])

    @property
    def _days(self) -> list[DateRange]:
        return [spec for spec in self.filter_specs if isinstance(spec, DateRange)]

    @cached_property
    def _is_indexed(self) -> bool:
        """Whether the database finds the page's rows without passing many others."""
        if self.root_queryset.query.where:
            return False
        page: Any = self.model_admin
        asked = set(self.get_filters_params()) - {SINCE, UNTIL}
        return bool(self.params.get(SEARCH_VAR)) or asked <= page.indexed_lookups

    def _place(self, name: str) -> int:
        return read_page_key(str(self.params.get(name, ""))) or 0
