"""The one place that judges facts: it returns findings, the most important first.

Pages, `delivery_status`, metrics and alerts read what `judge_facts` returns, so that they
cannot disagree. Each kind of finding is a class with all of its words. Read `finding` first, then
`judging`. The kinds are in `account`, `ingest`, `sources`, `content`, `delivery`, `seen` and
`installation`.
"""

from clevertap_sync.insight.findings.finding import Finding, Link, Scope, Severity
from clevertap_sync.insight.findings.judging import KINDS, judge_facts, judge_ingest

__all__ = [
    "KINDS",
    "Finding",
    "Link",
    "Scope",
    "Severity",
    "judge_facts",
    "judge_ingest",
]
