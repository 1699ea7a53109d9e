"""CleverTap's HTTP API: records in, an answer read record by record out.

Read it in this order:

* `client`              the three calls: upload, profile look-up, deletion
* `transport`           one request and its answer, within one deadline
* `deadline`            the watchdog: it shuts the sockets of calls whose time is over
* `watched_connections` sockets that the watchdog shuts; the shared TLS context
* `host_lookup`         host names, without waiting for a resolver that hangs
* `public_addresses`    which addresses are public: for hosts that a person typed in
* `transport_faults`    what went wrong on the way, in words for people
* `answer`              an answer's JSON, its error text and its Retry-After
* `upload_result`       a 200, read record by record
* `record_matching`     which record a refusal is about
* `echo_redaction`      masks secrets and people's data in CleverTap's texts

Pure: imports no framework. A `Client` is used by one thread at a time.
"""

from clevertap_sync.clevertap.client.client import Client
from clevertap_sync.clevertap.client.upload_result import RefusedRecord, UploadResult

__all__ = ["Client", "RefusedRecord", "UploadResult"]
