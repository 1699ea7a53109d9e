"""Alerts: people are told once when something starts, and once when it ends.

It owns incidents, mutes, notices and heartbeats. Read it in this order:

* `alert_round` one round: update incidents, send notices, call heartbeats
* `watch`       compares the findings with the open incidents: starts, reminds, ends
* `subjects`    reads all findings once, and groups those of an alert into cases
* `thresholds`  which field of an alert asks for which findings: the one table
* `muting`      acknowledging incidents, and muting
* `messages`    composes a message in the findings' own words
* `notices`     sends the notices that are due, with retries
* `notifiers`   e-mail, Slack and webhooks
* `heartbeats`  calls an address while all is well
* `web_lookout` a round in the web process, while no worker makes one

State is in the database and claimed by compare-and-set, so that neither the number of
processes nor the death of one matters. Nothing is sent inside a transaction.
"""
