"""The release that RELEASE names and today's, side by side on one database.

RELEASE has the commit that runs in production. Who releases writes the new one in there.
"""
