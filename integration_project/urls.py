"""Every address that the web process answers.

`/healthz` and `/readyz` are answered by a middleware, before host names are checked.
"""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from integration_project.metrics import show_metrics

# Browsers ask for it wherever a page names no icon. Which file it is, the collected static
# files say, later.
_icon = lazy(static, str)("integration_project/icon.svg")

handler400 = "integration_project.error_pages.show_request_refused"
handler403 = "integration_project.error_pages.show_access_refused"
handler404 = "integration_project.error_pages.show_page_missing"
handler500 = "integration_project.error_pages.show_server_failed"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=_icon)),
    path("metrics", show_metrics),
    path("", include("integration_project.program_urls")),
]
