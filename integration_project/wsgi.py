"""The web process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from referrals.api.content_type import drop_unreadable_content_type

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")

_django = drop_unreadable_content_type(get_wsgi_application())

from clevertap_sync.models import ProcessSeen  # noqa: E402 - once Django is ready
from clevertap_sync.process import process_presence  # noqa: E402
from integration_project.api_entry import ApiEntry  # noqa: E402

application = ApiEntry(_django)
process_presence.show_as(ProcessSeen.Kind.WEB)
