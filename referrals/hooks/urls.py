"""The addresses of hooks. They come before those of the API, which refuses all others."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from referrals.hooks import segment_views, views
from referrals.sources import segment


class MethodConverter(StringConverter):
    """A method of Segment's tracking API, under each name that an SDK has for it."""

    regex = "|".join((*segment.METHODS, *segment.BATCH_ALIASES))


register_converter(MethodConverter, "segment_method")

urlpatterns = [
    path("v1/hooks/<str:public_id>", views.answer_hook, name="hook"),
    path(
        "v1/hooks/<str:public_id>/<str:path_secret>",
        views.answer_hook,
        name="hook_with_secret",
    ),
    # What is nearly a hook's is answered as a hook answers: its sender reads no problem.
    path("v1/hooks", views.answer_nearly_hook),
    path("v1/hooks/", views.answer_nearly_hook),
    path("v1/hooks/<path:nowhere>", views.answer_nearly_hook),
    # SDKs differ in whether they leave a slash at the end of a path.
    path(
        "v1/segment/v1/<segment_method:method>",
        segment_views.answer_segment_call,
        name="segment",
    ),
    path("v1/segment/v1/<segment_method:method>/", segment_views.answer_segment_call),
    re_path(r"^v1/segment(?:/|\Z)", segment_views.refuse_segment_address),
]
