"""The addresses of hooks. They come before those of the API, which refuses all others."""

from django.urls import path

from referrals.hooks import views

urlpatterns = [
    path("v1/hooks/<str:public_id>", views.answer_hook, name="hook"),
    path(
        "v1/hooks/<str:public_id>/<str:path_secret>",
        views.answer_hook,
        name="hook_with_secret",
    ),
]
