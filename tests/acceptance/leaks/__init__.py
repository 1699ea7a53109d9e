"""What the test of leaks stands on: markers, who drives the error paths, what came out."""
