"""Events: the list, one event's page, the export, the page Referrals.

* `event_pages`      the views of the list and of one event
* `event_filters`    the list's filters, as conditions on a range of the log
* `event_rows`       a row of the list, with its outcomes
* `timeline`         one event from receipt to verdict
* `event_export`     the list as a CSV file
* `statistics_page`  the page Referrals
"""
