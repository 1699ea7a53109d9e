"""SDKs of Segment's kind as programs: their code unmodified, only their settings chosen."""
