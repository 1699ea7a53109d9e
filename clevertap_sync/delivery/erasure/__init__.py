"""Erases a person from an app, and asks CleverTap to delete the profile.

Read `erasure_orders` first: the order and its steps. `uploads_under_way` replaces uploads
that contain the person, `waiting_records` lets what waits for them wait no more,
`known_others` says what else they are known by, `profile_deletion` asks CleverTap, and `erasure_words` has the
sentences of the command.
"""
