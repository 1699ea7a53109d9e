"""Reasons, errors, findings, and the codes of the API."""

from collections.abc import Iterator

from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.reasons import REASONS
from clevertap_sync.insight.findings import KINDS
from clevertap_sync.insight.findings.installation import (
    KINDS as INSTALLATION_KINDS,
)
from referrals.api.problems import PROBLEM_KINDS
from referrals.refusals import MEANINGS, REMEDIES, Code
from scripts.reference.parts import fill_part, fill_rows, write_table


def fill_reasons(page: str) -> str:
    """Return the page with the reasons of dead letters and the errors of requests."""
    heading = ("Code", "Meaning", "Remedy")
    reasons = [(f"`{code}`", *rest) for code, *rest in REASONS.values()]
    errors = [
        (f"`{each.code}`", each.meaning(), each.remedy)
        for each in _list_errors(CleverTapError)
    ]
    page = fill_part(page, "the reasons", write_table(heading, reasons))
    return fill_part(page, "the errors", write_table(heading, errors))


def fill_findings(page: str) -> str:
    """Return the page with the kinds of findings, in the order of their rank."""
    rows = [
        (f"`{kind.code}`", str(kind.severity), (kind.__doc__ or "").splitlines()[0])
        for kind in (*KINDS, *INSTALLATION_KINDS)
    ]
    table = write_table(("Code", "Severity", "Meaning"), rows)
    return fill_part(page, "the findings", table)


def fill_api(page: str) -> str:
    """Return the page with the codes of refusals, and the kinds of problems."""
    codes = {str(code): (f"`{code}`", MEANINGS[code], REMEDIES[code]) for code in Code}
    problems = {
        kind.slug: (str(int(kind.status)), f"`{kind.slug}`", None, None)
        for kind in PROBLEM_KINDS
    }
    page = fill_rows(page, "the codes", codes)
    return fill_rows(page, "the problems", problems)


def _list_errors(parent: type[CleverTapError]) -> Iterator[type[CleverTapError]]:
    for error in parent.__subclasses__():
        yield error
        yield from _list_errors(error)
