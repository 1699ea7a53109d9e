"""Alerts: people are told once when something starts, and once when it ends.

* `thresholds`  which findings an alert wants: the one table
* `subjects`    what is wrong now, read once for all alerts, and what an alert is told of it
* `watch`       compares that with what is known, and writes down what started and what ended
* `muting`      what people acknowledge, and keep quiet
* `messages`    the words, which are the findings' own
* `notices`     sends what was written down, with retries
* `heartbeats`  calls an address while all is well
* `notifiers`   e-mail, Slack and webhooks
* `alert_round` all of it, once
* `web_lookout` a round from the web process, while no worker makes one

State is in the database and claimed by compare-and-set, so that it does not matter how
many processes look or when one dies. Nothing is sent inside a transaction.
"""
