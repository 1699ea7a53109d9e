"""The web process between the socket and Django: nobody holds a thread but to be served.

gunicorn keeps the processes, uvicorn speaks HTTP, and what stands here decides. A request
takes this way, the first four steps of it in one event loop:

1. `connections`: its head is whole within a deadline, or the connection is closed;
2. `bodies`: its body is collected, counted, capped, and whole within a deadline;
3. `calls`: whose it is, and whether it is heavy;
4. `turns`: it waits for a thread, app by app;
5. `threads`: Django answers it, as WSGI;
6. `responses`: the answer goes out as fast as the caller reads.

Why this server: docs/adr/0023-requests-are-whole-before-they-take-a-thread.md.
"""
