"""Exact t-SNE by viswords beside scikit-learn's and openTSNE's defaults: seconds, and the divergence that they end at.

    python tools/bench/tsne.py --viswords build/release/viswords                     # 5,000 x 1,024, 2 threads
    python tools/bench/tsne.py --viswords ... --points 2000 --width 256 --threads 1 --without opentsne

Points are clusters of normals. All three get the same fp32 numbers and a perplexity of 30. The others are at their defaults:
scikit-learn Barnes-Hut, 1,000 iterations; openTSNE 750 iterations. The divergence is recomputed for all from their points, pair
by pair in float64. Seconds are of the wall clock, and of all threads together (`cpu`): on a machine that others use only the
latter can be compared. Ran with numpy 2.4.6, scikit-learn 1.9.1, openTSNE 1.0.4.
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import numpy as np


def clusters(n, d, k=50):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(k, d))
    return (centres[rng.integers(0, k, n)] + 0.7 * rng.normal(size=(n, d)) * rng.uniform(0.5, 1.5, size=(n, 1))).astype(np.float32)


def write(path, name, x):
    header = json.dumps({name: {"dtype": "F32", "shape": list(x.shape), "data_offsets": [0, x.nbytes]}}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + x.tobytes())


def read(path, name):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8:8 + length])[name]
    first, last = entry["data_offsets"]
    return np.frombuffer(raw[8 + length + first:8 + length + last], dtype=np.float64).reshape(entry["shape"])


def squares(x):
    s = (x * x).sum(1)
    d = np.maximum(s[:, None] + s[None] - 2 * x @ x.T, 0)
    np.fill_diagonal(d, 0)
    return d


def joint(x, perplexity=30.0):
    """p(i, j) by bisection in float64."""
    n = len(x)
    d = squares(x.astype(np.float64))
    np.fill_diagonal(d, np.inf)
    d -= d.min(1, keepdims=True)
    safe = np.where(np.isinf(d), 0, d)
    low, high, beta = np.zeros(n), np.full(n, np.inf), 1 / np.median(d, axis=1)
    for _ in range(60):
        e = np.exp(-beta[:, None] * d)
        total = e.sum(1)
        entropy = np.log(total) + beta * (safe * e).sum(1) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), 2 * beta, (low + high) / 2)
    p = e / total[:, None]
    return np.maximum((p + p.T) / (2 * n), np.finfo(np.float64).eps)


def divergence(p, y):
    w = 1 / (1 + squares(np.asarray(y, dtype=np.float64)))
    np.fill_diagonal(w, 0)
    q = np.maximum(w / w.sum(), np.finfo(np.float64).eps)
    off = ~np.eye(len(p), dtype=bool)
    return float((p[off] * np.log(p[off] / q[off])).sum())


def timed(run):
    before, start = os.times(), time.time()
    y = run()
    after = os.times()
    cpu = sum(after[i] - before[i] for i in range(4))
    return y, time.time() - start, cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--viswords", required=True)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", default="", help="names separated by commas: sklearn, opentsne")
    o = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(o.threads)
    x = clusters(o.points, o.width)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        data, points = pathlib.Path(folder) / "x.safetensors", pathlib.Path(folder) / "y.safetensors"
        write(data, "x", x)
        command = [o.viswords, "bench", "tsne", str(data), "--points", str(points), "--threads", str(o.threads), "--cache", folder]
        _, wall, cpu = timed(lambda: subprocess.run(command, check=True))
        rows["viswords, exact"] = (read(points, "points"), wall, cpu)
    if "sklearn" not in o.without:
        from sklearn.manifold import TSNE
        rows["scikit-learn"] = timed(lambda: TSNE(n_jobs=o.threads, random_state=0).fit_transform(x))
    if "opentsne" not in o.without:
        from openTSNE import TSNE as Open
        rows["openTSNE"] = timed(lambda: np.asarray(Open(n_jobs=o.threads, random_state=0).fit(x)))
    p = joint(x)
    print(f"{o.points} x {o.width}, {o.threads} threads\n{'':18} {'wall s':>8} {'cpu s':>8} {'divergence':>11}")
    for name, (y, wall, cpu) in rows.items():
        print(f"{name:18} {wall:8.1f} {cpu:8.1f} {divergence(p, y):11.4f}")


if __name__ == "__main__":
    main()
