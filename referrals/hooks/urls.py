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
    # What is nearly a hook's is answered as a hook answers: its sender reads no problem.
    path("v1/hooks", views.answer_nearly_hook),
    path("v1/hooks/", views.answer_nearly_hook),
    path("v1/hooks/<path:nowhere>", views.answer_nearly_hook),
]
