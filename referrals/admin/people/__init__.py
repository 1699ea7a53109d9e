"""The page People: who is known by which identities, and why.

* `who_is_who`    reads what was learned of one identity, of its person, and the conflicts
* `people_page`   the pages, for those who may see identities
"""
