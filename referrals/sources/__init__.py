"""Ways in for platforms that call a URL: verify the call, translate it into events.

Pure: imports no framework. A *call* is what a platform sent, a *verifier* says whether it
was that platform, a *mapping* says what becomes of it, and a *preset* holds what is known
of one platform: its verifier, its mapping, and how to connect it.
"""
