"""The query string: a few switches, and nothing else.

An unknown parameter is refused: `?dryrun=1` must not store events that were meant for a
dry run.
"""

from urllib.parse import parse_qsl

from django.http import HttpRequest

from referrals.api.problems import BAD_PARAMETER, ProblemError

SWITCH_VALUES = {"1": True, "true": True, "0": False, "false": False}
MAX_PARAMETERS = 10


def read_switches(request: HttpRequest, *names: str) -> tuple[bool, ...]:
    """Return whether each of the switches `names` is on, in that order.

    Raises `ProblemError` 400 for any other parameter or value, and for one that stands
    twice: one of the two values would be ignored silently. Reads the query string
    itself, because Django decodes `request.GET` with the charset of the Content-Type.
    """
    switched = dict.fromkeys(names, False)
    seen = set()
    for name, value in _parameters(request):
        if name not in switched:
            raise ProblemError(
                BAD_PARAMETER,
                f"There is no such parameter here; known: {', '.join(names) or 'none'}.",
            )
        if name in seen:
            raise ProblemError(BAD_PARAMETER, f"`{name}` stands twice: send it once.")
        seen.add(name)
        if value.lower() not in SWITCH_VALUES:
            raise ProblemError(BAD_PARAMETER, f"The value of `{name}` is not 1 or 0.")
        switched[name] = SWITCH_VALUES[value.lower()]
    return tuple(switched.values())


def _parameters(request: HttpRequest) -> list[tuple[str, str]]:
    query = request.META.get("QUERY_STRING", "")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise ProblemError(
            BAD_PARAMETER, "The address has more parameters than there are."
        ) from error
