"""The same events for everyone: plausible, numbered, and made quickly.

Of a hundred, thirty each are installs and opens, fifteen custom, ten each web sign-ups
and web opens, and five link clicks, which have one record instead of two.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

HUNDRED: Final = (
    *("app_install", "app_open", "custom") * 15,
    *("app_install", "app_open") * 15,
    *("web_sign_up", "web_open") * 10,
    *("link_click",) * 5,
)
CHANNELS: Final = (
    "whatsapp",
    "email",
    "twitter",
    "sms",
    "facebook",
    "facebookmessenger",
)
NAMES: Final = ("Subscription Started", "Level Reached", "Order Placed")
BATCH: Final = 1_000
#: Whoever invites, invites many.
REFERRERS: Final = 50_000

#: Returns the identities of the user of an event, as JSON, by its number.
MakeUser = Callable[[int], str]


def make_user(number: int) -> str:
    """Return the identities of an event's user, as JSON."""
    return _identities("u", number)


def event(
    number: int,
    run: str = "bench",
    *,
    signals: bool = False,
    user: MakeUser = make_user,
) -> str:
    """Return event `number` of a run as JSON; with `signals`, installs carry theirs.

    Who did what to whom is a function of the number alone.
    """
    kind = HUNDRED[number % len(HUNDRED)]
    now = int(time.time())
    extra = ""
    if kind == "custom":
        extra = (
            f',"name":"{NAMES[number % 3]}","event_data":'
            f'{{"plan":"gold","amount":{number % 90},"currency":"EUR"}}'
        )
    if kind != "link_click":
        extra += f',"user":{{"identities":{user(number)}'
        if signals and kind == "app_install":
            extra += (
                f',"ip":"198.51.{number % 256}.{number // 256 % 256}"'
                f',"device_id":"device-{run}-{number}"'
                f',"advertising_id":"advertising-{run}-{number}"'
            )
        extra += "}"
    return (
        f'{{"id":"{run}-{number}","type":"{kind}","occurred_at":{now - number % 3600},'
        f'"referrer":{{"identities":{_identities("r", number % REFERRERS)}}},'
        f'"channel":"{CHANNELS[number % 6]}","content":"spring-{number % 20}"{extra}}}'
    )


def records_in(first: int, count: int) -> int:
    """Return how many records `count` events from number `first` on make."""
    return sum(
        1 if HUNDRED[number % len(HUNDRED)] == "link_click" else 2
        for number in range(first, first + count)
    )


def first_identity(number: int) -> str:
    """Return whose record shows that event `number` has arrived."""
    if HUNDRED[number % len(HUNDRED)] == "link_click":
        return f"r{number % REFERRERS}@example.com"
    return f"u{number}@example.com"


def bodies(
    count: int,
    size: int = BATCH,
    *,
    run: str = "bench",
    first: int = 0,
    signals: bool = False,
    user: MakeUser = make_user,
) -> Iterator[bytes]:
    """Yield request bodies that hold `count` events, `size` in each; one stands alone."""
    for start in range(first, first + count, size):
        numbers = range(start, min(start + size, first + count))
        made = [event(each, run, signals=signals, user=user) for each in numbers]
        yield (made[0] if size == 1 else f'{{"events":[{",".join(made)}]}}').encode()


def _identities(side: str, number: int) -> str:
    return f'{{"email":"{side}{number}@example.com","custom_id":"{side}-{number}"}}'
