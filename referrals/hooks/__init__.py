"""Hooks: the addresses that platforms call.

Read in this order: `known_sources` remembers the rows of sources, `views` reads a call and
answers as its platform understands, `receive_call` makes events of a verified call and
appends them, `deadline` bounds how long that may take, `counting` counts what became of it,
and `last_calls` notes the newest ones. Where the log does not take them, `outage` remembers
that, and what no platform sends again waits in the `spool`, which `drain` empties;
`spool_losses` counts what got lost there. `edge` answers the calls that no view reads, and
`faults` reports what a view met. `capture` keeps the shape of a call while a person asks for
it, and `send_sample` calls a hook as its platform would. What a call says is judged in
`referrals.sources`, without a framework.

SDKs of Segment's kind call addresses of their own: `segment_sources` finds or makes the source
of an API key, `segment_views` reads a call, and `segment_answers` answers as SDKs understand.
"""
