#!/usr/bin/env python3
"""The maps of a study's transfer stage against numpy: the same rule from the model directories alone.

    transfer.py OUT NAME=MODEL_DIR NAME=MODEL_DIR ...

For every <id>-map.safetensors of linear maps below OUT/blocks: the words in common, folds (FNV-1a modulo 10), lambda, the
matrix, both R^2 to 1e-10; for every <id>-carried.safetensors with a learned word: words = v T to single precision.
"""
import glob
import json
import os
import struct
import sys

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "U8": "u1"}


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    meta = head.pop("__metadata__", {})
    at = 8 + n
    return {k: np.frombuffer(raw[at + t["data_offsets"][0]:at + t["data_offsets"][1]], TYPES[t["dtype"]])
            .reshape(t["shape"]).astype(np.float64) for k, t in head.items() if t["dtype"] in TYPES}, meta


def words_of(folder):
    """Trained whole words and their embeddings."""
    if os.path.isdir(folder + "/text_encoder"):
        tokens, weights = folder + "/tokenizer", folder + "/text_encoder/model.safetensors"
    else:
        tokens, weights = folder, folder + "/model.safetensors"
    table = next(v for k, v in read(weights)[0].items() if k.endswith("token_embedding.weight"))
    if os.path.exists(tokens + "/vocab.json"):
        vocabulary = json.load(open(tokens + "/vocab.json"))
    else:
        vocabulary = json.load(open(tokens + "/tokenizer.json"))["model"]["vocab"]
    lines = [line.rstrip("\r\n") for line in open(folder + "/trained_words.txt")]
    return {w: table[vocabulary[w + "</w>"]] for w in lines if w and not w.startswith("#")}


def fold(word):
    h = 0xCBF29CE484222325
    for byte in word.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h % 10


def fit(x, y, lam):
    if lam == 0:
        return np.linalg.lstsq(x, y, rcond=None)[0]
    return np.linalg.solve(x.T @ x + lam * np.eye(x.shape[1]), x.T @ y)


def held_out(x, y, folds, lam):
    return sum(((y[folds == k] - x[folds == k] @ fit(x[folds != k], y[folds != k], lam)) ** 2).sum() for k in range(10))


def expected(a, b, kind):
    common = sorted(set(a) & set(b), key=str.encode)
    x, y = np.array([a[w] for w in common]), np.array([b[w] for w in common])
    folds = np.array([fold(w) for w in common])
    if kind == "auto":
        kind = "least-squares" if len(x) >= 10 * x.shape[1] else "ridge"
    lambdas = [0.0] if kind == "least-squares" else [10.0**k for k in range(-3, 4)]
    errors = [held_out(x, y, folds, lam) for lam in lambdas]
    lam = lambdas[int(np.argmin(errors))]
    t, variance = fit(x, y, lam), ((y - y.mean(0)) ** 2).sum()
    return {"words": len(x), "lambda": lam, "r2": 1 - ((y - x @ t) ** 2).sum() / variance,
            "r2_held_out": 1 - min(errors) / variance, "condition": np.linalg.cond(x)}, t


def main():
    out, models = sys.argv[1], dict(a.split("=", 1) for a in sys.argv[2:])
    known = {name: words_of(folder) for name, folder in models.items()}
    maps, compared = {}, 0
    for path in sorted(glob.glob(out + "/blocks/*/*-map.safetensors")):
        tensors, meta = read(path)
        if meta["map"] not in ("least-squares", "ridge") or np.any(tensors["bias"]):
            continue
        numbers, t = expected(known[meta["from"]], known[meta["to"]], meta["map"])
        off = np.abs(tensors["matrix"] - t).max()
        assert off <= 1e-10 * max(1, np.abs(t).max()), (path, meta["from"], meta["to"], off)
        for key, value in numbers.items():
            assert abs(float(meta[key]) - value) <= 1e-10 * max(1, abs(value)), (path, key, meta[key], value)
        maps[meta["from"], meta["to"]] = t
        print(f"{meta['from']} to {meta['to']}: {meta['map']}, largest difference {off:.1e}", numbers)
    learned = {}
    for path in glob.glob(out + "/blocks/*/*.safetensors"):
        if "-" in os.path.basename(path):
            continue
        tensors, meta = read(path)
        for trial, v in zip(json.loads(meta["trials"]), tensors["words"]):
            learned[trial["id"]] = v
    for path in glob.glob(out + "/blocks/*/*-carried.safetensors"):
        tensors, meta = read(path)
        for i, row in enumerate(json.loads(meta["rows"])):
            pair = meta["from"], meta["to"]
            if row["kind"] != "carried word" or pair not in maps:
                continue
            v = learned[row["trial"]]
            tv = v @ maps[pair]
            assert np.abs(tensors["words"][i] - tv).max() <= 1e-6 * np.abs(tv).max(), (path, row)
            ratio = np.linalg.norm(tv) / np.linalg.norm(v)
            ta = known[meta["from"]][row["anchor"]] @ maps[pair]
            cosine = tv @ ta / np.linalg.norm(tv) / np.linalg.norm(ta)
            assert abs(tensors["norm_ratio"][i] - ratio) < 1e-6 and abs(tensors["cosine"][i] - cosine) < 1e-6, (path, row)
            compared += 1
    assert maps and compared, "nothing to compare"
    print(f"{len(maps)} maps, {compared} carried words: as numpy has them")


if __name__ == "__main__":
    main()
