"""Why CleverTap counts something else than we delivered: judged from numbers alone.

* `week`    the values that are compared: names, days, quarter-hours, the schema

Pure: imports no framework, asks nobody.
"""
