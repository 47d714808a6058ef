"""Both 95 % intervals of docs/protocol.md with NumPy; the numbers stand in tests/study/test_metrics.c.
Ran with numpy 2.4.6, Python 3.11. The scores are those of score() there: a formula, so that nothing is stored."""
import numpy as np

KEY, RESAMPLES, BOOTSTRAP = 0x0123456789ABCDEF, 2000, 6


def philox(key, step, purpose, i):
    """The i-th word of the stream (key, step, purpose): Philox4x32-10, Salmon et al. 2011."""
    c = [i // 4, step & 0xFFFFFFFF, purpose, step >> 32]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c[i % 4]


def score(c, a, r):
    return ((37 * c + 11 * a + 5 * r + 7 * c * a) % 23) / 23


def interval(trials):
    """trials: (concept, anchor, value)."""
    v = np.array([t[2] for t in trials])
    half = 1.96 * v.std(ddof=1) / np.sqrt(len(v))
    concepts, anchors = sorted({t[0] for t in trials}), sorted({t[1] for t in trials})
    C, A = len(concepts), len(anchors)
    ci = np.array([concepts.index(t[0]) for t in trials])
    ai = np.array([anchors.index(t[1]) for t in trials])
    means = []
    for b in range(RESAMPLES):
        tc = np.bincount([philox(KEY, b, BOOTSTRAP, k) * C >> 32 for k in range(C)], minlength=C)
        ta = np.bincount([philox(KEY, b, BOOTSTRAP, C + k) * A >> 32 for k in range(A)], minlength=A)
        w = tc[ci] * ta[ai]
        if w.sum():
            means.append((w * v).sum() / w.sum())
    low, high = np.percentile(means, [2.5, 97.5])
    print("{%d, %.15f, %.15f, %.15f, %.15f, %.15f}" % (len(v), v.mean(), v.mean() - half, v.mean() + half, low, high))


full = [(c, a, score(c, a, r)) for c in range(10) for a in range(7) for r in range(2)]
interval(full)
interval([t for t in full if (t[0] + 2 * t[1]) % 5 != 0])  # holes in the grid
interval([t for t in full if t[0] in (3, 8) and t[1] == 4])  # two concepts, one anchor
