"""How everything is: the overview, and the page Problems.

* `overview_page`  the overview's context, with the first steps of an installation
* `standing`       all integrations, each with its findings
* `siblings`       the integrations of one app, side by side
* `cards`          one integration as a line and as a card
* `status_light`   the light of an integration
* `problems_page`  the page Problems: dead letters by reason
"""
