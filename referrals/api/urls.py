"""The addresses of the API."""

from django.urls import path, re_path

from referrals.api import document_pages, views
from referrals.api.public_status import STATUS_PATH

urlpatterns = [
    path("v1/events", views.receive_events, name="events"),
    path("v1/events/<str:key>", views.show_event, name="event"),
    path("v1/people", views.receive_people, name="people"),
    path(STATUS_PATH.removeprefix("/"), views.refuse_method_of_status, name="status"),
    re_path(r"^(?:/*)v1(?:/|\Z)", views.refuse_unknown_address),
    path("openapi.json", document_pages.show_openapi_document, name="openapi"),
    path("docs", document_pages.show_docs, name="docs"),
]
