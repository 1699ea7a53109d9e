"""Sources: by which platforms' calls become events, and what is set up there.

`mapping_page` edits a source's mapping, as a form (`mapping_form`, with one rule's text in
`rule_text`) or as JSON (`mapping_text`), beside what it makes of a call (`call_preview`).
`sample_page` calls the source's hook as its platform would.
"""
