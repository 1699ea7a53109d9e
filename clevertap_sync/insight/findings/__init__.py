"""The one place that judges: from facts to findings, the most important first.

Pages, `delivery_status`, metrics and alerts read what `judge_facts` returns, so that they cannot
disagree. A finding is a class of its own, and says all words about itself.
"""

from clevertap_sync.insight.findings.base import Finding, Link, Scope, Severity
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
