"""Where everything stands: the overview's cards, and the page Problems."""
