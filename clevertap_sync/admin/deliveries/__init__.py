"""What was sent: uploads, attempts, dead letters, replays, and ordering a replay."""
