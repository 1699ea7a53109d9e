"""Events: the list, one event's way to its verdicts, the export, the page Referrals."""
