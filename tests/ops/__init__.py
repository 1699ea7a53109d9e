"""What operators use, tried for real: `ops/`, `render.yaml`, `fly.toml`, upgrades, restores.

Its tests start Debian's Prometheus, nginx and Caddy, which a newcomer's machine lacks: only
`make test ARGS=--all` runs them.
"""
