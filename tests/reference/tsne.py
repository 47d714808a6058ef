"""t-SNE of scikit-learn, for tests/analysis/test_tsne.c.

    python tests/reference/tsne.py      writes tests/reference/fixtures/tsne.safetensors

Data are clusters of normals in fp32. `p`: joint probabilities with each point's width by bisection in float64, down to the last
bit (scikit-learn's own are fp32 and stop at 1e-5). `kl`, `gradient`: of `_kl_divergence` at points `y` and p rounded to
fp32; `end`: `y` after 50 iterations of `_gradient_descent`. `kls`: `_kl_divergence` of float64 probabilities at the points that
five seeds of `TSNE(method="exact")` end at. Ran with numpy 2.4.6, scikit-learn 1.9.1.
"""

import json
import pathlib
import struct

import numpy as np
import sklearn.manifold._t_sne as sk
from scipy.spatial.distance import squareform
from sklearn.manifold import TSNE


def clusters(rng, n, d, k):
    centres = rng.normal(size=(k, d))
    return (centres[rng.integers(0, k, n)] + 0.5 * rng.normal(size=(n, d))).astype(np.float32)


def joint(x, perplexity):
    """Condensed joint probabilities, everything in float64."""
    x = x.astype(np.float64)
    d = ((x[:, None] - x[None]) ** 2).sum(-1)
    n = len(x)
    c = np.zeros((n, n))
    for i in range(n):
        others = np.arange(n) != i
        di = d[i][others] - d[i][others].min()
        low, high = 0.0, 1e6
        while (beta := (low + high) / 2) not in (low, high):
            e = np.exp(-beta * di)
            entropy = np.log(e.sum()) + beta * (di * e).sum() / e.sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        c[i, others] = e / e.sum()
    return np.maximum(squareform(c + c.T, checks=False) / (2 * n), np.finfo(np.float64).eps)


def write(path, tensors):
    names = {"F32": "<f4", "F64": "<f8"}
    header, data = {"__metadata__": {"made_with": "tests/reference/tsne.py"}}, b""
    for name, (kind, x) in tensors.items():
        raw = np.ascontiguousarray(x, dtype=names[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(np.shape(x)), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    rng = np.random.default_rng(24)
    x = clusters(rng, 70, 12, 5)
    p = joint(x, 20.0)
    rounded = p.astype(np.float32).astype(np.float64)
    y = rng.normal(size=(70, 2)) * 0.5
    kl, gradient = sk._kl_divergence(y.ravel().copy(), rounded, 1.0, 70, 2)
    end, _, last = sk._gradient_descent(sk._kl_divergence, y.ravel().copy(), it=0, max_iter=50, n_iter_check=50, momentum=0.5,
                                        learning_rate=20.0, min_grad_norm=0, args=[rounded, 1.0, 70, 2])
    assert last == 49
    many = clusters(rng, 180, 8, 6)
    pm = joint(many, 30.0)
    kls = []
    for seed in range(5):
        points = TSNE(perplexity=30, method="exact", random_state=seed, init="random").fit_transform(many)
        kls.append(sk._kl_divergence(points.astype(np.float64).ravel(), pm, 1.0, len(many), 2)[0])
    out = pathlib.Path(__file__).parent / "fixtures" / "tsne.safetensors"
    write(out, {"x": ("F32", x), "p": ("F64", p), "y": ("F64", y), "kl": ("F64", [kl]), "gradient": ("F64", gradient.reshape(70, 2)),
                "end": ("F64", end.reshape(70, 2)), "many": ("F32", many), "kls": ("F64", kls)})
    print("kl", kl, "of five seeds", kls, out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
