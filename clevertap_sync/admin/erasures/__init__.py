"""Erasures: for superusers alone.

* `erasure_admin`  the list, an erasure's page, and the pages that order and follow one
* `erasure_form`   the forms in which identities are typed
"""
