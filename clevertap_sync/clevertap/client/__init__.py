"""CleverTap's HTTP API: records in, an answer read record by record out.

* `api`          the three calls that we make
* `transport`    one request and its answer, within one deadline
* `connections`  sockets that the watchdog shuts; the shared TLS context
* `lookup`       host names, without waiting for a resolver that hangs
* `faults`       what went wrong on the way, in words for people
* `answers`      an answer's JSON, its error text and its Retry-After
* `verdicts`     a 200, read record by record
* `matching`     which record a refusal is about
* `redaction`    texts of others, without what must not be shown

Pure: imports no framework. A `Client` is used by one thread at a time.
"""

from clevertap_sync.clevertap.client.client import Client
from clevertap_sync.clevertap.client.upload_result import RejectedRecord, UploadResult

__all__ = ["Client", "RejectedRecord", "UploadResult"]
