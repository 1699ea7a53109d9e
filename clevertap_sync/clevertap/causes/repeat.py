"""The query to repeat by hand, where nothing explains what CleverTap counts."""

from datetime import date

from clevertap_sync.clevertap.client.count_answer import encode_query


def spell_query(name: str, day: date) -> str:
    """Return the JSON body for `POST /1/counts/events.json` that asks for one day.

    `curl --data` takes it in single quotes: no event's name has one, nor has a day.
    """
    return encode_query(name, day, day, ()).decode()
