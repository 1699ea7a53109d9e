"""Trying out: previews, test events sent for real, the file for CleverTap's schema.

* `preview_page`    the preview; `preview_form` its forms
* `record_previews` events beside the records that CleverTap would get
* `sending_pages`   test events and announcements; `sending_form` their forms
* `sent_events`     follows sent events to their verdicts
* `schema_file`     event names and properties as a CSV file
"""
