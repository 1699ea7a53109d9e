"""Alerts: people are told once when something starts, and once when it ends.

* `findings`  what is wrong now, by the thresholds of one alert
* `watch`     compares that with what is known, and writes down what started and ended
* `messages`  the words
* `notices`   sends what was written down, with retries
* `ways`      e-mail, Slack and webhooks

State is in the database and claimed by compare-and-set, so that it does not matter how
many workers look or when one dies. Nothing is sent inside a transaction.
"""
