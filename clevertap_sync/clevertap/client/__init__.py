"""CleverTap's HTTP API: records in, an answer read record by record out.

Read it in this order:

* `client`              the calls: upload, profile look-up, deletion, counts, schema
* `transport`           one request and its answer, within one deadline
* `deadline`            the watchdog: it shuts the sockets of calls whose time is over
* `watched_connections` sockets that the watchdog shuts; the shared TLS context
* `host_lookup`         host names, without waiting for a resolver that hangs
* `public_addresses`    which addresses are public: for hosts that a person typed in
* `transport_faults`    what went wrong on the way, in words for people
* `answer`              an answer's JSON, its error text and its Retry-After
* `upload_result`       a 200, read record by record
* `count_answer`        how many events there are: the question, the forms of an answer
* `schema_answer`       the event types of an account
* `read_answer`         the refusals of the calls that read
* `record_matching`     which record a refusal is about
* `echo_redaction`      masks secrets and people's data in CleverTap's texts

Pure: imports no framework. A `Client` is used by one thread at a time.
"""

from clevertap_sync.clevertap.client.client import Client
from clevertap_sync.clevertap.client.count_answer import (
    Condition,
    CountAnswer,
    EventCount,
    PendingCount,
)
from clevertap_sync.clevertap.client.read_answer import is_reading_forbidden
from clevertap_sync.clevertap.client.upload_result import RefusedRecord, UploadResult

__all__ = [
    "Client",
    "Condition",
    "CountAnswer",
    "EventCount",
    "PendingCount",
    "RefusedRecord",
    "UploadResult",
    "is_reading_forbidden",
]
