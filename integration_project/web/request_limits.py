"""What a caller may take of a web process. One place; the reference quotes it."""

from typing import Final

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * KIBIBYTE

# Heads -------------------------------------------------------------------------------
#: A request's line and headers are whole so soon after its first byte, and that comes so
#: soon after the connection.
HEAD_SECONDS: Final = 10.0
MAX_HEAD_BYTES: Final = 64 * KIBIBYTE
#: What routers pass on. Platforms that call by GET say everything in it.
MAX_URL_BYTES: Final = 8_192
MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 8_190
#: Requests that come while another of the connection is served, in MAX_HEAD_BYTES.
MAX_PIPELINED: Final = 16

# Bodies ------------------------------------------------------------------------------
#: A body is whole so soon after its head.
BODY_SECONDS: Final = 20.0
#: The same from SIGTERM on, so that a process that ends serves what is on its way.
LAST_BODY_SECONDS: Final = 5.0
#: From SIGTERM on, a connection on which nothing comes is kept for so long: its caller may
#: be sending a request that is not here yet.
LAST_IDLE_SECONDS: Final = 1.0
#: What the admin's largest form needs, several times over.
MAX_FORM_BYTES: Final = 256 * KIBIBYTE
#: A body that is too long is read on, and thrown away, up to here and until its sender is
#: silent: a caller that is still sending when the connection closes sees a reset in
#: place of the answer.
MAX_DISCARDED_BYTES: Final = 64 * MEBIBYTE
DISCARD_SILENCE_SECONDS: Final = 1.0
#: All bodies together that a process holds, on their way in, waiting, or being served.
MAX_HELD_BYTES: Final = 8 * MEBIBYTE

# Turns -------------------------------------------------------------------------------
#: A request whose body is larger is heavy: it keeps the interpreter busy.
HEAVY_BYTES: Final = 64 * KIBIBYTE
#: One heavy request computes while another waits for the database. More would be no
#: faster, would need more memory, and would let each light one wait for the interpreter.
HEAVY_PLACES: Final = 2
#: A compressed body may become many times as large, so such a request runs alone.
COMPRESSED_PLACES: Final = HEAVY_PLACES
#: So does a batch of an SDK that is larger.
LONE_BYTES: Final = 256 * KIBIBYTE
#: An app's requests that wait or are served count as shares of so many for each thread.
PLACES_A_THREAD: Final = 8
#: Routers give up on an answer after 30 seconds.
TURN_SECONDS: Final = 20.0
#: A platform waits two seconds for an answer, of which Django takes its part.
HOOK_TURN_SECONDS: Final = 1.0

# Answers -----------------------------------------------------------------------------
#: Answers up to here leave in one piece; the thread is free before the caller reads.
WHOLE_BYTES: Final = 320 * KIBIBYTE
#: All answers together that a process holds and their callers do not take, but for so
#: much of each.
MAX_UNSENT_BYTES: Final = 16 * MEBIBYTE
UNSENT_BYTES: Final = 16 * KIBIBYTE
#: Longer answers that are on their way at the same time: each keeps a thread and a
#: connection of the database.
MAX_STREAMS: Final = 2
#: A caller that reads nothing of an answer for so long has gone away.
STALL_SECONDS: Final = 30.0

# Connections -------------------------------------------------------------------------
MAX_CONNECTIONS: Final = 4_096
#: The most bytes that are read from a connection at a time.
READ_BYTES: Final = 16 * KIBIBYTE
#: File descriptors that are for something else: databases, logs, files.
SPARE_DESCRIPTORS: Final = 256
