"""What the README claims about speed, measured afresh: `python -m benchmarks`.

Everything runs on 127.0.0.1 in processes of its own: our web and worker processes by the
Procfile's commands, the peers beside them, PostgreSQL with fsync, Valkey with its log,
and a sink in CleverTap's place. docs/performance.md tells the method.
"""
