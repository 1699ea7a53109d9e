"""The part of each page below docs/sources/ that its preset decides, written from the preset.

`python -m scripts.reference` writes it between the two marks of every page. What a person
wrote around them stays. Pure.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from referrals.sources.mapping.rules import MEANINGS, Choices, Kind, Mapping
from referrals.sources.mapping.translate import translate_call
from referrals.sources.presets import (
    PLATFORMS,
    Preset,
    Sample,
    load_mapping,
    load_preset,
)
from referrals.sources.samples import sign_sample
from referrals.sources.segment import PATH as SEGMENT_PATH
from referrals.sources.verifiers import UrlVerifier, hide_secret
from referrals.vocabulary import TITLES, WHO_IS_WHO
from scripts.source_words import (
    ELSE,
    describe_condition,
    describe_rule,
    describe_verifier,
)

BEGIN: Final = "<!-- written from the preset: begin -->"
END: Final = "<!-- written from the preset: end -->"
#: The page that lists all platforms.
INDEX: Final = "README"
#: How its SDKs are connected and answered is written by hand: they call no hook.
BY_HAND: Final = ("segment",)
_URL: Final = "https://HOST/v1/hooks/ID"
_HOST: Final = f"https://HOST{SEGMENT_PATH}"
# What stands in for each secret: of a length and form that all verifiers take.
_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - nobody's
_HASH: Final = re.compile(r"[0-9a-f]{32}")
_SIGNALS: Final = ("ip", "device_id", "advertising_id")


def fill_page(name: str, page: str) -> str:
    """Return the `page` of a platform, or of all, with what presets say between its marks.

    Raises `ValueError` for a page without them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"docs/sources/{name}.md lacks the lines {BEGIN} and {END}."
        raise ValueError(message)
    part = write_list() if name == INDEX else write_part(name)
    return f"{before}{BEGIN}\n\n{part}\n{END}{after}"


def write_list() -> str:
    """Return the table of all platforms, as Markdown."""
    rows = ["| platform | `--platform` | calls again after an error |", "|---|---|---|"]
    for platform in PLATFORMS:
        preset = load_preset(platform)
        draft = ", a *draft*" if preset.is_draft else ""
        again = "yes" if preset.resends else "no"
        rows.append(
            f"| [{preset.title}]({platform}.md){draft} | `{platform}` | {again} |"
        )
    return "\n".join(rows) + "\n"


def write_part(platform: str) -> str:
    """Return what the preset of a platform says, as Markdown."""
    preset = load_preset(platform)
    mapping = msgspec.convert(preset.mapping, Mapping)
    is_by_hand = platform in BY_HAND
    parts = (
        *(() if is_by_hand else _write_connection(platform, preset)),
        *(() if is_by_hand else _write_answers(preset)),
        *_write_kinds(preset, mapping),
        *_write_fields(preset, mapping),
        *_write_example(platform, preset),
        *_write_limits(preset),
    )
    return "\n".join(parts).rstrip("\n") + "\n"


def _write_connection(platform: str, preset: Preset) -> Iterator[str]:
    if preset.is_draft:
        yield (
            f"> **Draft.** The documents of {preset.title} could not be read whole. The steps have "
            "none of its menu words, and names of fields may be others: look at the first calls, "
            "and change the mapping where they differ.\n"
        )
    yield "## Connect it\n"
    yield (
        f"On the page *Sources* choose {preset.title}. It shows these steps with the real address:\n"
    )
    url = f"{_URL}/SECRET" if isinstance(preset.verifier, UrlVerifier) else _URL
    words = {
        "the field here": "the field on that page",
        "{url}": f"`{url}`",
        "{host}": f"`{_HOST}`",
        "{address}": "the address below",
        "{secret}": "`SECRET`",
        "{header}": f"`{preset.header}`",
    }
    for number, step in enumerate(preset.connect, 1):
        yield f"{number}. {_replace(step, words)}"
    if preset.address != "{url}":
        yield f"\n```\n{preset.address.replace('{url}', url)}\n```"
    yield f"\nBy command:\n\n```sh\n{_write_command(platform, preset)}\n```\n"
    yield f"{_tell_secret(preset)} {describe_verifier(preset.verifier)}\n"


def _write_command(platform: str, preset: Preset) -> str:
    command = f"python manage.py provision_source shop --platform {platform}"
    if preset.secret != "theirs":  # noqa: S105 - who makes it
        return command
    return f"{command} --secret-stdin < secret.txt"


def _tell_secret(preset: Preset) -> str:
    if preset.secret == "theirs":  # noqa: S105 - who makes it
        return f"{preset.title} makes the secret."
    return "We make the secret, and show it once."


def _write_answers(preset: Preset) -> Iterator[str]:
    yield "## Answers, retries, and what an outage costs\n"
    if preset.resends:
        then = (
            f"What cannot be committed in time is answered {preset.busy} with `Retry-After: 30`, and "
            "comes again: an outage costs nothing while that goes on."
        )
    else:
        then = (
            "So what cannot be committed in time is answered 200 and goes into the "
            "[spool](README.md#when-the-database-is-away). Without one, or where it is full, the "
            f"answer is {preset.busy}, the call is lost, and it is counted as lost."
        )
    yield f"{preset.retries} {then}\n"


def _write_kinds(preset: Preset, mapping: Mapping) -> Iterator[str]:
    yield "## What becomes what\n"
    if mapping.native is not None:
        yield (
            f"The call brings an event of ours, as `POST /v1/events` takes it: {describe_rule(mapping.native)}. "
            "It stays as it was sent; what it leaves out is filled in:\n"
        )
        return
    if mapping.each is not None:
        yield f"Each element of `{mapping.each}` is judged by itself. "
    for condition in mapping.when:
        yield (
            f"It counts {describe_condition(condition)}; else {MEANINGS[condition.reason]}. "
        )
    if mapping.kind is not None:
        yield f"What happened: {describe_rule(mapping.kind)}.\n"
    yield f"| {preset.title} | becomes |\n|---|---|"
    for name, kind in mapping.kinds.items():
        yield f"| `{name}` | {_tell_kind(kind)} |"
    yield "| anything else | a custom event of that name, if you choose the name |\n"
    for condition in mapping.organic:
        yield (
            f"A call is ignored as *organic* {describe_condition(condition)} and it names no "
            "referrer.\n"
        )
    yield _tell_marketing_links(preset)


def _tell_kind(kind: Kind) -> str:
    if kind.ignore is not None:
        return f"nothing: {MEANINGS[kind.ignore]}"
    if kind.type is not None:
        what = f"*{TITLES.get(kind.type, WHO_IS_WHO)}* (`{kind.type}`)"
    elif kind.name is not None:
        what = f"the custom event *{kind.name}*"
    else:
        return f"a custom event, if you choose its name: {describe_rule(kind.name_of)}"
    return what if kind.is_taken else f"{what}, if you choose it"


def _tell_marketing_links(preset: Preset) -> str:
    if preset.takes_marketing_links:
        return "A call without a referrer counts as one of a marketing link (`via: smart_link`).\n"
    return (
        "A call without a referrer is ignored, unless the source takes marketing links "
        "(`via: smart_link`).\n"
    )


def _write_fields(preset: Preset, mapping: Mapping) -> Iterator[str]:
    yield f"| of the event | from {preset.title} |\n|---|---|"
    for target, rule in mapping.event.items():
        if target == "id" and mapping.id_prefix:
            yield f"| `id` | `{mapping.id_prefix}.` and {describe_rule(rule)} |"
        else:
            yield f"| {_name_target(target, preset)} | {describe_rule(rule)} |"
    where = mapping.referrer
    if where is not None:
        keys = ELSE.join(f"`{key}`" for key in where.keys) or "none but your own"
        places = ELSE.join(map(describe_rule, where.places))
        yield (
            f"| `referrer.identities.{preset.identity}`, or the identity that you choose | "
            f"the first of these keys: {keys}; looked for in {places} |"
        )
    yield ""


def _name_target(target: str, preset: Preset) -> str:
    side, _, field = target.partition(".")
    if field == "id":
        return f"`{side}.identities.{preset.identity}`, or the identity that you choose"
    if field == "identities":
        return f"`{target}`, each provider"
    if field in _SIGNALS:
        return f"`{target}`, kept as a keyed hash"
    if field.startswith("handles."):
        name = field.removeprefix("handles.")
        return f"`{side}.identities.{name}`, a keyed hash"
    return f"`{target}`"


def _write_example(platform: str, preset: Preset) -> Iterator[str]:
    sample = preset.samples[0]
    yield f"## An example: {sample.title}\n"
    yield f"{_show_sample(preset, sample)}\nbecomes\n"
    yield f"```json\n{_read_sample(platform, preset)}\n```\n"


def _show_sample(preset: Preset, sample: Sample) -> str:
    if sample.body is None:
        lines = "\n".join(f"{name}={value}" for name, value in sample.query.items())
        return f"```\n{preset.methods[0]} …?\n{lines}\n```\n"
    body = json.dumps(sample.body, indent=2, ensure_ascii=False)
    return f"```json\n{body}\n```\n"


def _read_sample(platform: str, preset: Preset) -> str:
    """Return the event of the first sample; `…` stands for what a keyed hash makes."""
    now = datetime(2026, 11, 29, tzinfo=UTC)
    call = hide_secret(preset.verifier, sign_sample(preset, _SECRET, now=now))
    choices = Choices(
        identity=preset.identity, takes_marketing_links=preset.takes_marketing_links
    )
    (outcome, *_) = translate_call(call, load_mapping(platform), choices, key=b"none")
    return _HASH.sub("…", json.dumps(outcome, indent=2, ensure_ascii=False))


def _write_limits(preset: Preset) -> Iterator[str]:
    if preset.cannot:
        yield "## What cannot be mapped\n"
        yield from (f"- {each}" for each in preset.cannot)
        yield ""
    if preset.doubts:
        yield "## Doubts\n"
        yield "What the documents leave open, and what was decided:\n"
        yield from (f"- {each.removeprefix('[doubt] ')}" for each in preset.doubts)
        yield ""


def _replace(step: str, words: dict[str, str]) -> str:
    for placeholder, word in words.items():
        step = step.replace(placeholder, word)
    return step
