"""Stream keys and a trial's id as Python's xxhash computes them (docs/protocol.md). The numbers stand in
tests/study/test_trial.c. Ran with xxhash 4.1.0, Python 3.11."""
import struct

import xxhash


def fields(*texts):
    return b"".join(struct.pack("<Q", len(t.encode())) + t.encode() for t in texts)


def stream_key(*texts):
    return xxhash.xxh3_128(fields("viswords-stream-1", *texts)).intdigest() & (2**64 - 1)


print("shared   %016x" % stream_key("objects", "teapot", "0", "2406"))
print("own      %016x" % stream_key("objects", "orange cat", "3", "7", "strawberry", "0.25"))
print("own free %016x" % stream_key("objects", "null-0", "0", "0", "the", "free"))

hashes = struct.pack("<6Q", 1, 2, 3, 4, 5, 6)  # weights, pictures, protocol: low word first
names = fields("viswords-trial-1", "clip", "objects", "teapot", "concept", "the")
print("trial    %s" % xxhash.xxh3_128(names + struct.pack("<dq", 0.1, 0) + hashes).hexdigest())
