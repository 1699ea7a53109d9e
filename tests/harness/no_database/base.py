"""A backend that has no vendor: no module may be made for one, but ask when it is called."""

from django.db.backends.dummy import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own for no database, without what would tell the others apart."""

    @property
    def vendor(self) -> str:  # type: ignore[override]
        """Raise `AttributeError`."""
        message = "A module asks for the database's vendor while it is imported."
        raise AttributeError(message)
