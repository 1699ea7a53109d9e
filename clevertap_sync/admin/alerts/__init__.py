"""Alerts: who is told about what, and muting them.

* `alert_admin`  the list and the page of an alert
* `alert_form`   its form
* `mute_buttons` the page's buttons: acknowledge, mute, unmute
"""
