"""The page Sources: platforms are connected here, set up, and seen at work.

* `source_admin`  the list and the page of a source
* `connect_page`  the steps in the platform's own menu, and the wait for the first call
* `platform_page` the cards from which a platform is chosen
* `source_form`   what a person may say and change about a source
* `source_views`  the buttons: secrets, archive, a name that is taken
* `standing`      the state of a source in a word
* `numbers`       what came in, in tiles, bars and causes
* `verdicts`      what became of a call, in words
* `mapping_page`  edits a source's mapping, as a form (`mapping_form`, with one rule's text
  in `rule_text`) or as JSON (`mapping_text`), beside what it makes of a call
  (`call_preview`)
* `sample_page`   calls the source's hook as its platform would
"""
