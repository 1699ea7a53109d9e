"""The HTTP API through which events come in.

A request passes these modules, in this order:

1. `request_id` gives the request a name.
2. `edge` turns refusals by middlewares, which no view sees, into problems.
3. `guard` turns every exception of a view into a problem.
4. `auth` finds the API key and its app; `refusal_counting` counts refused requests.
5. `switches`, then `body` with `stream` and `gunzip`: parameters and bytes, capped.
6. `body_pieces` cuts the body, with `lenient_text` where it has to, and `body_events` decodes
   the events one by one, those of a large body in runs; `body_people` makes events of who is
   who.
7. `views` appends them to the log, or calls `dry_run`, and answers with `answers`.

`openapi` and `conditions` generate the document, from `answers` and `problems` among
others; `document_pages` shows it.
"""
