"""What one process is and remembers: clock, doorbell, heartbeat, slots, whether it stops."""
