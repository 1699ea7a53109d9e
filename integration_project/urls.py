"""Every address that the web process answers.

`/healthz` and `/readyz` are answered by a middleware, before host names are checked.
"""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from integration_project.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("metrics", metrics),
    path("", include("referrals.api.urls")),
]
