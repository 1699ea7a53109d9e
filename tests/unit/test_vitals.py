"""What a process takes, read from the system that runs it."""

import os
import threading
from pathlib import Path

import pytest

from clevertap_sync.process import vitals
from clevertap_sync.process.vitals import read_vitals

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "read", [read_vitals, vitals._estimate_vitals], ids=["linux", "elsewhere"]
)
def test_every_number_is_of_this_process(read):
    found = read()

    assert 10 * MEBIBYTE < found.resident_bytes < 10_000 * MEBIBYTE
    assert 0 < found.cpu_seconds < 100_000
    assert found.threads >= 1
    assert found.open_files >= 3
    assert 0 <= found.age_seconds < 1_000_000


def test_memory_that_is_held_counts():
    before = read_vitals().resident_bytes
    held = bytearray(os.urandom(64 * MEBIBYTE))

    assert read_vitals().resident_bytes - before > 32 * MEBIBYTE
    assert len(held) == 64 * MEBIBYTE


def test_a_thread_more_is_one_more():
    ends = threading.Event()
    before = read_vitals().threads
    thread = threading.Thread(target=ends.wait)
    thread.start()
    try:
        assert read_vitals().threads == before + 1
    finally:
        ends.set()
        thread.join()


def test_a_file_that_is_open_is_counted_and_the_look_is_not():
    before = read_vitals().open_files
    with Path(__file__).open("rb"):
        assert read_vitals().open_files == before + 1
    assert read_vitals().open_files == before


def test_a_process_grows_older_from_its_start_on():
    first, second = read_vitals(), read_vitals()

    assert second.age_seconds >= first.age_seconds
    assert second.cpu_seconds >= first.cpu_seconds


def test_a_child_is_younger_than_its_parent():
    before = read_vitals().age_seconds
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # Its own start counts, not that of the program that it is a copy of.
        os.write(writing, f"{read_vitals().age_seconds:.3f}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        os.close(writing)
        age = float(told.read())

    assert age < before
