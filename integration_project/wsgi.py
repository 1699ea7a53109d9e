"""The web process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from referrals.api.content_type import without_unreadable_content_type

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")

application = without_unreadable_content_type(get_wsgi_application())
