"""The page that sends a sample to a source's hook, and tells what became of it."""

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from referrals.admin.kit.page_keys import read_page_key
from referrals.admin.sources.source_rows import CHANGES, find_source_row
from referrals.hooks.send_sample import SampleAnswer, SampleError, send_sample
from referrals.models import Source


@require_http_methods(["GET", "HEAD", "POST"])
def show_sample(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Ask which sample to send; on a POST send it, and show each item's fate."""
    source = find_source_row(request, pk, CHANGES)
    number = read_page_key(request.POST.get("number")) or 0
    answer, trouble = None, ""
    if request.method == "POST":
        answer, trouble = _send(source, number)
    context = {
        **site.each_context(request),
        "title": "Send a sample",
        "opts": Source._meta,
        "source": source,
        "samples": [each.title for each in source.preset.samples],
        "number": number,
        "answer": answer,
        "trouble": trouble,
    }
    return TemplateResponse(request, "referrals/source_sample.html", context)


def _send(source: Source, number: int) -> tuple[SampleAnswer | None, str]:
    try:
        answer = send_sample(source, number)
    except SampleError as error:
        return None, str(error)
    return answer, answer.trouble
