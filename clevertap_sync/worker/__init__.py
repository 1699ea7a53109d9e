"""What a worker does by itself, every few seconds, with or without a broker.

Read `sweep` first: the thread that looks for work. It hands jobs to the worker's pool
(`background_jobs`), as `due` finds them. `steps` keeps one failing step from stopping the others,
`people_thread` learns who is who meanwhile, and `restored_backup` recognises a database that is older than what was delivered.
"""
