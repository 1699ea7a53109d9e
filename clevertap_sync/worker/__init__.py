"""What a worker does by itself, with every sweep: finds work, and hands it to its threads."""
