"""An integration's own pages: set-up, check, lifecycle.

* `integration_admin` the list and the page of an integration
* `integration_form`  its form; `sends_grid` is the form's grid of sides and event types
* `setup_steps`       the steps of the set-up; `setup_evidence` what the log says about them
* `lifecycle_views`   connection check, location, enable, pause, archive
* `check_page`        the check page; `check_views` its match rate and its user check
* `addresses`         addresses below an integration's page, with their permissions
"""
