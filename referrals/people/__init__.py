"""Who is who, kept: what `learning` learns of an app's log, in tables.

Knows no destination. The only writer of what `models.known_people` describes.
"""
