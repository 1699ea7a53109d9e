"""All that knows CleverTap: its limits, errors, locations, records and HTTP API.

Read it in this order:

* `limits`               CleverTap's limits and its spelling of records
* `locations`            where an account's data is stored, and the API's host there
* `errors`               everything that can go wrong, and what follows from each error
* `retry`                a pure function from an error to a decision
* `mapping`              events become records, or the reason why not
* `identities`           by which of their identities people are sent
* `moulds`               what records of events that are alike have in common
* `properties`           an event's `evtData`, within the limits
* `kept_back`            which setting keeps a record back
* `reasons`              the words for each dead letter's reason
* `hold_reasons`         the words for each reason of a hold
* `client/`              the HTTP API: bytes out, an answer read record by record in
* `connection_check`     a dry run that checks the credentials, and its diagnosis
* `account_faults`       which part of the credentials is wrong, in words
* `account_fault_search` finds that part
* `profile_lookup`       which people CleverTap knows

Pure: nothing in this folder imports a framework, reads a database or remembers an app.
"""
