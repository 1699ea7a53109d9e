"""What an error may be called where its text may not be shown."""


def name_error(error: BaseException) -> str:
    """Return its class and, of what a database raised, the database's own code for it.

    "OperationalError" alone does not tell a full disk from a server that is away.
    """
    kind, raised = type(error).__name__, error.__cause__
    code = getattr(raised, "sqlite_errorname", None) or getattr(
        raised, "sqlstate", None
    )
    return f"{kind}: {code}" if code else kind
