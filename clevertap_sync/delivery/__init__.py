"""The one writer of uploads, attempts, dead letters and cursors.

`deliver` claims, maps, sends and settles; `lifecycle` enables, pauses and takes new
settings; `replay` sends again what a person asks for. Each step is a short transaction
of its own, and none is open while CleverTap is asked.
"""
