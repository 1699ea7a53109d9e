"""The web process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from referrals.api.content_type import drop_unreadable_content_type

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")

application = drop_unreadable_content_type(get_wsgi_application())
