"""Checks files of words that were judged by a cut text encoder (src/results/truncation.h) against those of the stages
evaluate and transfer: with all layers the numbers are the same bits; with none all words of a concept have one score.

    python tests/jobs/truncated.py DIR/blocks MODEL=LAYERS...
"""
import json
import os
import struct
import sys


def read(path):
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    at = head["metrics"]
    rows, columns = at["shape"]
    numbers = data[slice(*at["data_offsets"])]
    return head["__metadata__"], [numbers[8 * columns * i : 8 * columns * (i + 1)] for i in range(rows)]


def main(folder, layers):
    whole, cut = {}, []
    for path in sorted(os.path.join(d, name) for d, _, names in os.walk(folder) for name in names):
        if "-evaluation" in path and path.endswith(".safetensors"):
            about, metrics = read(path)
            for trial, row in zip(json.loads(about["trials"]), metrics):
                whole["learned", trial["id"]] = row
        elif path.endswith("-carried.safetensors"):
            about, metrics = read(path)
            for word, row in zip(json.loads(about["rows"]), metrics):
                whole["carried", about["from"], about["to"], word["trial"]] = row
        elif path.endswith("-baselines.safetensors"):
            about, metrics = read(path)
            for word, row in zip(json.loads(about["rows"]), metrics):
                whole[word["kind"], about["model"], about["data"], about["concept"], word["anchor"]] = row
        elif path.endswith("-truncated.safetensors"):
            cut.append(read(path))
    counts = {"learned": 0, "carried": 0, "known": 0}
    for about, metrics in cut:
        of_concept = {}
        for word, row in zip(json.loads(about["rows"]), metrics):
            key = {
                "learned": ("learned", word["trial"]),
                "carried": ("carried", about["source"], about["model"], word["trial"]),
            }.get(word["kind"], (word["kind"], about["model"], about["data"], word["concept"], word["anchor"]))
            if about["layers"] == layers[about["model"]]:
                assert row == whole[key], (key, row, whole[key])
                counts[word["kind"] if word["kind"] in counts else "known"] += 1
            if about["layers"] == "0" and word["kind"] != "name":
                assert of_concept.setdefault(word["concept"], row) == row, key
    print("words with all layers: {learned} learned, {carried} carried, {known} known".format(**counts))


main(sys.argv[1], dict(a.split("=") for a in sys.argv[2:]))
