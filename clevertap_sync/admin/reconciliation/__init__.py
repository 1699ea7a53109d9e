"""Seen in CleverTap: what an integration's account counts, beside what was delivered.

* `seen_page`    the page, and *Compare now*
* `seen_light`   its light
* `seen_cells`   a cell of its grid
* `differences`  a difference in words, with its causes and their fixes
* `repeat_query` the request that asks CleverTap once more, to run by hand
* `seen_standing` how it stands, beside the tick in the settings
* `seen_export`  the statements as a CSV file
"""
