#!/usr/bin/env python3
"""Are the results of two output directories of `viswords run` the same to the bit?   compare_results.py A B

Trusts nothing of the program: plan.yaml is read as text, block files with struct and json, study.h5 with h5py, and all
are compared by SHA-256. Left out is what two runs of one program differ in too: seconds, /provenance, and the layout of
HDF5. Prints what differs; exit code 1 then."""
import hashlib
import json
import os
import re
import struct
import sys

import h5py


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def block_file(path):
    """name -> (type, shape, digest) of every tensor, and the metadata that a rerun repeats."""
    with open(path, "rb") as f:
        data = f.read()
    (n,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8:8 + n])
    parts = {}
    for name, t in head.items():
        if name == "__metadata__":
            parts.update({"metadata " + k: v for k, v in t.items() if k not in ("seconds", "xxh128")})
        else:
            first, last = t["data_offsets"]
            parts[name] = (t["dtype"], tuple(t["shape"]), digest(data[8 + n + first:8 + n + last]))
    return parts


def plan(path):
    """Ids of blocks and trials, in order; texts that decide something."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    return {"ids": re.findall(r'block: "([0-9a-f]+)"|- \["([0-9a-f]+)"', text), "text": digest(text.encode())}


def study_file(path):
    parts = {}

    def visit(name, item):
        if name.startswith("provenance") or not isinstance(item, h5py.Dataset):
            return
        value = item[()]
        if item.dtype.kind in "SO":  # texts by what they say: how many bytes are left for them decides nothing
            texts = value.ravel().tolist() if hasattr(value, "ravel") else [value]
            raw, kind = b"\n".join(t if isinstance(t, bytes) else t.encode() for t in texts), "text"
        else:
            raw, kind = value.tobytes(), str(item.dtype)
        units = item.attrs.get("units", b"")
        parts["/" + name] = (kind, item.shape, digest(raw), str(units), str(item.attrs.get("description", "")))

    with h5py.File(path, "r") as f:
        f.visititems(visit)
    return parts


def results(folder):
    """One flat dictionary of everything below an output directory."""
    all_ = {"plan.yaml " + k: v for k, v in plan(os.path.join(folder, "plan.yaml")).items()}
    for where, _, names in os.walk(os.path.join(folder, "blocks")):
        for name in names:
            if name.endswith(".safetensors") and ".step-" not in name:
                for k, v in block_file(os.path.join(where, name)).items():
                    all_[f"{name} {k}"] = v
    for k, v in study_file(os.path.join(folder, "study.h5")).items():
        all_["study.h5 " + k] = v
    for name in ("summary.csv", "figures/recall_against_delta.svg"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, "rb") as f:
                all_[name] = digest(f.read())
    return all_


def main():
    a, b = results(sys.argv[1]), results(sys.argv[2])
    wrong = [k for k in sorted(a) if a[k] != b.get(k)]
    added = [k for k in sorted(b) if k not in a]
    wrong += [k for k in added if not k.startswith("study.h5 ")]  # a block file more is another plan
    for k in wrong[:20]:
        print(f"  {k}: {a.get(k)} and {b.get(k)}")
    if len(wrong) > 20:
        print(f"  and {len(wrong) - 20} more")
    if added:
        print("  only in the second: " + ", ".join(k.split()[-1] for k in added[:8]) + (" ..." if len(added) > 8 else ""))
    print(f"{sys.argv[1]} and {sys.argv[2]}: {len(a)} parts, {len(wrong)} differ")
    return 1 if wrong or not a else 0


if __name__ == "__main__":
    sys.exit(main())
