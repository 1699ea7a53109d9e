"""The web process between the socket and Django: a request holds a thread only while Django answers it.

gunicorn keeps the processes, uvicorn speaks HTTP, and what stands here decides. A request
passes these modules, the first four in one event loop. `worker` and `application` put
them together:

1. `connections`: its head is whole within a deadline, or the connection is closed;
2. `bodies`: its body is collected, counted, capped, and whole within a deadline;
3. `calls`: which app sent it, and whether it is heavy;
4. `turns`: it waits for a thread, app by app; then `companies`, if it brings events;
5. `threads`: Django answers it, as WSGI;
6. `responses`: the answer goes out as fast as the caller reads.

What is whole at once goes past 2, by `whole_requests`.

Why this server: docs/adr/0023-requests-are-whole-before-they-take-a-thread.md.
"""
