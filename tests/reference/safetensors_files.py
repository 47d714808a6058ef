"""Good and bad safetensors files with the verdict of the reference implementation (PyPI safetensors, in Rust).

    python tests/reference/safetensors_files.py        writes fixtures/safetensors_files.json

Ran with safetensors 0.8.0. tests/io/test_safetensors_files.c opens every file and expects the same verdict, names,
types, shapes and bytes, but for the few that DIFFERS names, with the reason in io/safetensors.h.
"""

import json
import pathlib
import struct

import safetensors

TYPES = ("F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL C64 F8_E5M2 F8_E4M3 F8_E8M0 F8_E5M2FNUZ F8_E4M3FNUZ "
         "F6_E2M3 F6_E3M2 F4 I4 F128 f32").split()
# Files on which viswords deliberately says otherwise.
DIFFERS = {"duplicate tensor", "duplicate in metadata", "duplicate unknown field", "nul in metadata",
           "nul in a name", "unknown field beyond int64", "zero times dimensions beyond int64",
           "zero times the largest dimension", "tensor as a list", "type as an object", "minus zero"}


def file(header, data=b"", length=None):
    """The bytes of a file; `length` replaces the header's true length."""
    text = json.dumps(header) if isinstance(header, dict) else header
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(range(1, len(data) + 1))


def tensor(dtype, shape, span):
    return {"dtype": dtype, "shape": shape, "data_offsets": span}


def one(shape="[1]", span="[0,1]", extra="", name=b"a", dtype='"U8"'):
    """A header of one tensor in raw text."""
    fields = '{"dtype":%s,%s"shape":%s,"data_offsets":%s}' % (dtype, extra, shape, span)
    return b'{"' + name + b'":' + fields.encode() + b"}"


def cases():
    """Pairs of a name and a file."""
    u8 = lambda n, begin: tensor("U8", [n], [begin, begin + n])
    for dtype in TYPES:
        for size in (4, 6, 8, 16, 32, 64):
            yield f"{dtype} as {size} bytes", file({"a": tensor(dtype, [8], [0, size])}, bytes(size))
    yield "half a byte", file({"a": tensor("F4", [3], [0, 2])}, bytes(2))
    twice = one()[:-1] + b"," + one(shape="[2]", span="[0,2]")[1:]
    yield "duplicate tensor", file(twice, bytes(2))
    yield "duplicate tensor, the first fits", file(twice, bytes(1))
    yield "duplicate __metadata__", file('{"__metadata__":{"x":"1"},"__metadata__":{"x":"2"}}')
    yield "duplicate in metadata", file('{"__metadata__":{"x":"1","x":"2"}}')
    for what, value in (("null", "null"), ("a number", '{"x":1}'), ("a list", '[["a","b"]]'), ("empty", "{}"),
                        ("null inside", '{"x":null}'), ("text", '"x"'), ("good", '{"format":"pt"}')):
        yield f"metadata {what}", file('{"__metadata__":%s}' % value)
    yield "nul in metadata", file('{"__metadata__":{"x":"a\\u0000b"}}')
    yield "duplicate dtype", file(one(extra='"dtype":"U8",'), bytes(1))
    yield "unknown field", file(one(extra='"extra":{"x":[1,2.5e3,"y"]},'), bytes(1))
    yield "duplicate unknown field", file(one(extra='"extra":1,"extra":2,'), bytes(1))
    yield "unknown field beyond int64", file(one(extra='"extra":123456789012345678901234567890,'), bytes(1))
    yield "unknown field beyond double", file(one(extra='"extra":1e400,'), bytes(1))
    for word in ("Infinity", "-Infinity", "NaN", "True", "+1", ".5", "1.", "0x10", "'x'"):
        yield f"unknown field {word}", file(one(extra=f'"extra":{word},'), bytes(1))
    for depth in (100, 125, 126, 127, 200, 5000):
        yield f"nested {depth} deep", file(one(extra='"extra":' + "[" * depth + "]" * depth + ","), bytes(1))
    yield "tensor as a list", file('{"a":["U8",[1],[0,1]]}', bytes(1))
    yield "tensor as a number", file('{"a":1}', bytes(1))
    yield "tensor null", file('{"a":null}', bytes(1))
    yield "type as an object", file(one(dtype='{"U8":null}'), bytes(1))
    yield "type as a number", file(one(dtype="4"), bytes(1))
    for shape in ("[1.0]", "[1e0]", "[01]", '["1"]', "{}", "null", "[-1]", "[true]", "[null]", "[[1]]", "1", "[1,]",
                  "[18446744073709551616]", "[18446744073709551615]", "[9223372036854775808]"):
        yield f"shape {shape}", file(one(shape=shape), bytes(1))
    for span in ("[0,1,1]", "[0]", "[]", "[0,1.0]", "[-1,0]", "[1,0]", '{"begin":0,"end":1}', "null", "[0,2]",
                 "[0,18446744073709551615]", "[9223372036854775807,9223372036854775807]"):
        yield f"offsets {span}", file(one(span=span), bytes(1))
    yield "minus zero", file(one(span="[-0,1]"), bytes(1))
    yield "overlap", file({"a": u8(2, 0), "b": u8(2, 1)}, bytes(3))
    yield "the same bytes twice", file({"a": u8(2, 0), "b": u8(2, 0)}, bytes(2))
    yield "inside another", file({"a": u8(4, 0), "b": u8(2, 1)}, bytes(4))
    yield "hole", file({"a": u8(2, 0), "b": u8(2, 3)}, bytes(5))
    yield "hole at the start", file({"a": u8(2, 1)}, bytes(3))
    yield "trailing bytes", file({"a": u8(2, 0)}, bytes(3))
    yield "truncated", file({"a": u8(2, 0)}, bytes(1))
    yield "another order", file({"b": u8(2, 2), "a": u8(2, 0)}, bytes(4))
    yield "unaligned", file({"a": u8(1, 0), "b": tensor("F32", [1], [1, 5])}, bytes(5))
    yield "zero size", file({"a": u8(0, 0)})
    yield "zero size between", file({"a": u8(2, 0), "z": tensor("F32", [0, 5], [2, 2]), "b": u8(2, 2)}, bytes(4))
    yield "zero size inside another", file({"a": u8(2, 0), "z": tensor("F32", [0, 5], [1, 1])}, bytes(2))
    yield "zero size beyond the end", file({"a": u8(2, 0), "z": tensor("F32", [0, 5], [3, 3])}, bytes(2))
    yield "zero times large dimensions", file({"a": tensor("U8", [0, 2**62, 2**62], [0, 0])})
    yield "zero times dimensions beyond int64", file({"a": tensor("U8", [0, 2**63, 2**63], [0, 0])})
    yield "zero times the largest dimension", file({"a": tensor("U8", [0, 2**64 - 1], [0, 0])})
    yield "large dimensions times zero", file({"a": tensor("U8", [2**62, 2**62, 0], [0, 0])})
    yield "bits overflow", file({"a": tensor("U8", [2**61], [0, 2**61])})
    yield "elements wrap to nothing", file({"a": tensor("F32", [2**62], [0, 0])})
    yield "product wraps to nothing", file({"a": tensor("F32", [2**32, 2**32], [0, 0])})
    yield "scalar", file({"a": tensor("F64", [], [0, 8])}, bytes(8))
    yield "scalar of half its size", file({"a": tensor("F64", [], [0, 4])}, bytes(4))
    yield "six dimensions", file({"a": tensor("U8", [1, 2, 1, 1, 2, 1], [0, 4])}, bytes(4))
    yield "nine dimensions", file({"a": tensor("U8", [1] * 9, [0, 1])}, bytes(1))
    for what, text in (("empty object", "{}"), ("padded with spaces", "{}   "), ("padded with line ends", "{}\n\t\r "),
                       ("padded with nuls", "{}\0\0"), ("a space first", " {}"), ("byte order mark", "\ufeff{}"),
                       ("a list", "[]"), ("null", "null"), ("two objects", "{}{}"), ("comment", "{/*x*/}"),
                       ("a word after", "{}x")):
        yield what, file(text)
    yield "empty object, bytes after", file("{}", b"x")
    yield "comma at the end", file(one()[:-1] + b",}", bytes(1))
    for what, name in (("not UTF-8", b"\xff"), ("overlong", b"\xc0\x80"), ("encoded surrogate", b"\xed\xa0\x80"),
                       ("beyond Unicode", b"\xf4\x90\x80\x80"), ("cut character", b"\xc3"),
                       ("lone surrogate escape", b"\\ud800"), ("low surrogate first", b"\\ude00"),
                       ("pair of escapes", b"\\ud83d\\ude00"), ("control character", b"a\x01"),
                       ("line end", b"a\n"), ("delete", b"a\x7f"), ("noncharacter", b"\xef\xbf\xbf"),
                       ("empty", b""), ("bad escape", b"\\x"), ("short escape", b"\\u12"),
                       ("escaped slash", b"a\\/b"), ("accents", "größe".encode())):
        yield f"name: {what}", file(one(name=name), bytes(1))
    yield "nul in a name", file(one(name=b"a\\u0000b"), bytes(1))
    yield "escaped key", file(b'{"a":{"dt\\u0079pe":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(1))
    yield "key in capitals", file(b'{"a":{"DType":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(1))
    for missing in ("dtype", "shape", "data_offsets"):
        yield f"no {missing}", file({"a": {k: v for k, v in u8(1, 0).items() if k != missing}}, bytes(1))
    yield "nothing", b""
    yield "seven bytes", b"\2\0\0\0\0\0\0"
    yield "a length alone", struct.pack("<Q", 2)
    yield "length 0", struct.pack("<Q", 0)
    yield "length 0, then an object", file("{}", length=0)
    yield "length 1", struct.pack("<Q", 1) + b"{"
    for what, length in (("one too long", 3), ("the largest", 2**64 - 1), ("the limit", 100_000_000),
                         ("above the limit", 100_000_001), ("negative if signed", 2**63)):
        yield f"length {what}", file("{}", length=length)
    yield "length too short", file("{}   ", length=1)
    yield "zip of torch.save", b"PK\3\4" + bytes(60)
    yield "old torch.save", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20" + bytes(20)
    yield "web page", b"<!DOCTYPE html><html></html>"
    yield "LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n"


def judged(name, data):
    """The reference's verdict and what it reads."""
    case = {"name": name, "file": data.hex()}
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return case | {"accepted": False, "differs": name in DIFFERS}
    read = [{"name": n, "dtype": t["dtype"], "shape": [str(d) for d in t["shape"]], "data": bytes(t["data"]).hex()}
            for n, t in tensors]
    return case | {"accepted": True, "differs": name in DIFFERS, "tensors": sorted(read, key=lambda t: t["name"])}


if __name__ == "__main__":
    found = [judged(name, data) for name, data in cases()]
    for case in found:  # C strings end at a 0; no test reads these
        if any("\0" in t["name"] for t in case.get("tensors", [])):
            case["tensors"] = []
    out = pathlib.Path(__file__).parent / "fixtures" / "safetensors_files.json"
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in found)
    out.write_text('{"safetensors": "%s", "cases": [\n%s\n]}\n' % (safetensors.__version__, lines))
    print(f"{len(found)} files, {sum(c['accepted'] for c in found)} accepted; {out.stat().st_size} bytes")
