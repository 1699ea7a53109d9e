"""What happened: an append-only log of referral events. Knows no destination."""
