"""All that knows CleverTap: its limits, errors, locations, records and HTTP API.

Pure: nothing in this folder imports a framework, reads a database or remembers an app.
"""
