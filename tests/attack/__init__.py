"""A mixed attack on the running product, beside ordinary load: `make attack`."""
