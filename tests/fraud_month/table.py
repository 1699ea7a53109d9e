"""What was found in the month, as `docs/fraud.md` shows it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from referrals.fraud_rules import DEFAULT_RULES, FIRST_RULES, FraudRules, Limit
from tests.fraud_month.month import Found
from tests.fraud_month.scenes import SCENES, Scene

BEFORE: Final = "as apps judged before they could choose"
NEW: Final = "a new app's"
_OFF: Final = Limit(None)


def _try_installs(most: int, days: int) -> FraudRules:
    return FraudRules(same_ip=False, installs=Limit(most, days), advertising_ids=_OFF)


def _try_ids(most: int, days: int) -> FraudRules:
    return FraudRules(same_ip=False, installs=_OFF, advertising_ids=Limit(most, days))


RULES: Final[Mapping[str, FraudRules]] = {
    BEFORE: FIRST_RULES,
    NEW: DEFAULT_RULES,
    "a new app's, and the same IP address": DEFAULT_RULES._replace(same_ip=True),
    **{
        f"installs alone: {most} in {days} days": _try_installs(most, days)
        for most, days in ((1, 30), (2, 30), (3, 30), (4, 3), (4, 7), (4, 30), (6, 30))
    },
    **{
        f"advertising IDs alone: {most} in {days} days": _try_ids(most, days)
        for most, days in ((1, 30), (2, 7), (2, 30), (3, 30))
    },
}


def write_tables(found: Mapping[str, Found]) -> str:
    """Return both tables in Markdown."""
    return "\n".join([*_list_scenes(found), "", *_list_choices(found)])


def _list_scenes(found: Mapping[str, Found]) -> Iterator[str]:
    yield "| Who | installs | suspicious before | since | referrers | with one before | since |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for is_fraud, heading in ((False, "Honest: false alarms"), (True, "Frauds: found")):
        yield f"| **{heading}** | | | | | | |"
        for scene in SCENES:
            if scene.is_fraud is is_fraud:
                yield _describe_scene(scene, found[scene.name])


def _describe_scene(scene: Scene, found: Found) -> str:
    referrers = len(found.groups)
    cells = [
        scene.name,
        f"{found.installs:,}",
        *(_share(found.flagged[name], found.installs) for name in (BEFORE, NEW)),
        f"{referrers:,}",
        *(
            _share(len(found.groups_found.get(name, ())), referrers)
            for name in (BEFORE, NEW)
        ),
    ]
    return f"| {' | '.join(cells)} |"


def _list_choices(found: Mapping[str, Found]) -> Iterator[str]:
    frauds = [found[scene.name] for scene in SCENES if scene.is_fraud]
    honest = [found[scene.name] for scene in SCENES if not scene.is_fraud]
    yield "| Rules | frauds found | false alarms | of 100 suspicious, frauds |"
    yield "|---|---:|---:|---:|"
    for name in RULES:
        right, wrong = _count(frauds, name), _count(honest, name)
        cells = [
            name,
            _share(right, sum(each.installs for each in frauds)),
            _share(wrong, sum(each.installs for each in honest)),
            f"{100 * right / max(1, right + wrong):.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _count(found: Iterable[Found], name: str) -> int:
    return sum(each.flagged[name] for each in found)


def _share(part: int, whole: int) -> str:
    """Return a count and what it is of the whole, such as `1,200 (3.4 %)`."""
    return f"{part:,} ({100 * part / whole:.3g} %)" if part else "0"
