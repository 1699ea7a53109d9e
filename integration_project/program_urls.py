"""The addresses below /v1/ and beside it that programs call: hooks first, then the API."""

from referrals.api.urls import urlpatterns as of_the_api
from referrals.hooks.urls import urlpatterns as of_hooks

# The API's last pattern refuses every other address below /v1/.
urlpatterns = [*of_hooks, *of_the_api]
