"""Fixtures of the ops of learning, by PyTorch in float64: tests/reference/fixtures/learning_ops.safetensors.

    python tests/reference/learning_ops.py

Written with Python 3.11, torch 2.15.0, safetensors 0.8.0. Names are <op>.<case>.<tensor>; the tests read sizes from shapes.
"""

import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(20240613)
torch.set_default_dtype(torch.float64)
OUT = {}


def put(op, case, **tensors):
    for name, t in tensors.items():
        t = t if torch.is_tensor(t) else torch.tensor([t])
        OUT[f"{op}.{case}.{name}"] = t.detach().clone().contiguous()


def philox4x32(key, counter):
    """Salmon et al., SC 2011, ten rounds; written from the paper, not from the C header."""
    mask = 0xFFFFFFFF
    k0, k1 = key & mask, key >> 32
    c = list(counter)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & mask, (p0 >> 32) ^ c[3] ^ k1, p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c


def draw(case, B, S, step, purpose):
    """docs/protocol.md, Stream: word i mod 4 of the block whose counter is {i / 4, s low, purpose, s high}."""
    keys = [(0x9E3779B97F4A7C15 * (b // 2 + 1)) & (2**64 - 1) for b in range(B)]  # pairs of rows share a stream
    count = [1 + 13 * (b // 2) for b in range(B)]
    offset = [sum(count[0:b:2]) for b in range(B)]
    pool = torch.randperm(offset[-1] + count[-1] + 3).to(torch.int32)
    index = torch.empty(B, S, dtype=torch.int32)
    for b in range(B):
        for i in range(S):
            word = philox4x32(keys[b], [i // 4, step & 0xFFFFFFFF, purpose, step >> 32])[i % 4]
            index[b, i] = pool[offset[b] + (word * count[b] >> 32)]
    put("draw", case, key=torch.tensor([[k & 0xFFFFFFFF, k >> 32] for k in keys], dtype=torch.uint32),
        step=torch.tensor([step]), purpose=torch.tensor([purpose]), pool=pool,
        offset=torch.tensor(offset, dtype=torch.int32), count=torch.tensor(count, dtype=torch.int32), index=index)


def picture_logits(case, B, S, C, P):
    q = F.normalize(torch.randn(B, C), dim=-1).requires_grad_()
    features = F.normalize(torch.randn(P, C), dim=-1)
    picture = torch.randint(0, P, (B, S), dtype=torch.int32)
    z = 100.0 * torch.einsum("bc,bsc->bs", q, features[picture.long()])
    dz = torch.randn(B, S)
    z.backward(dz)
    put("picture_logits", case, q=q, features=features, picture=picture, z=z, dz=dz, dq=q.grad)


def one_vs_rest(case, B, S, positives, R, P, others, spread):
    """The full cross-entropy over [other classes, the word], so that the table of the rest proves itself."""
    logits = spread * torch.randn(R, P, others)
    own = torch.randint(0, others, (P,))  # a picture's class is the same in every table
    row_table = torch.randint(0, R, (B,), dtype=torch.int32)
    picture = torch.randint(0, P, (B, S), dtype=torch.int32)
    z = (spread * torch.randn(B, S)).requires_grad_()
    seen = logits[row_table.long()[:, None], picture.long()]
    label = own[picture.long()]
    label[:, :positives] = others
    full = torch.cat([seen, z[..., None]], -1)
    loss = F.cross_entropy(full.flatten(0, 1), label.flatten(), reduction="none").view(B, S).mean(1)
    dloss = torch.randn(B)
    loss.backward(dloss)
    truth = logits.gather(2, own[None, :, None].expand(R, P, 1))[..., 0]
    put("one_vs_rest", case, z=z, picture=picture, row_table=row_table, rest=logits.logsumexp(-1), truth=truth,
        positives=positives, loss=loss, dloss=dloss, dz=z.grad)


def project(words, anchor, radius):
    offset = words - anchor
    length = offset.norm(dim=-1, keepdim=True)
    inside = length <= radius[:, None]
    return torch.where(inside, words, anchor + offset * (radius[:, None] / length))


def start(K, C, radii):
    anchor = 0.4 * torch.randn(K, C)
    radius = torch.tensor([radii[k % len(radii)] for k in range(K)])
    return anchor, radius, project(anchor + 0.01 * torch.randn(K, C), anchor, radius)


def pgd(case, K, C, radii, steps, first, n):
    """docs/protocol.md, Optimiser, line by line."""
    anchor, radius, words = start(K, C, radii)
    grads = torch.randn(n, K, C) * torch.logspace(-6, 3, K)[:, None]
    if K > 2:
        grads[:, 0] = 0
    after, w = [], words
    reach = torch.where(radius.isinf(), anchor.norm(dim=-1), radius)[:, None]
    for i in range(n):
        eta = 0.1 / 2 * (1 + math.cos(math.pi * min(first + i, steps) / steps))
        length = grads[i].norm(dim=-1, keepdim=True)
        moved = project(w - eta * reach * grads[i] / length, anchor, radius)
        w = torch.where(length > 0, moved, w)
        after.append(w)
    put("pgd_step", case, words=words, anchor=anchor, radius=radius, grads=grads, after=torch.stack(after),
        eta0=0.1, steps=steps, first=first)


def adamw(case, K, C, radii, n):
    """torch.optim.AdamW (foreach=False), then the projection; weight decay for rows without a ball only."""
    anchor, radius, words = start(K, C, radii)
    grads = torch.randn(n, K, C) * torch.logspace(-6, 3, K)[:, None]
    if K > 2:
        grads[:, 0] = 0
    rows = [torch.nn.Parameter(w.clone()) for w in words]
    groups = [{"params": [r], "weight_decay": 1e-2 if math.isinf(x) else 0.0} for r, x in zip(rows, radius.tolist())]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, foreach=False)
    after = []
    for i in range(n):
        for r, g in zip(rows, grads[i]):
            r.grad = g.clone()
        optimiser.step()
        with torch.no_grad():
            for k, r in enumerate(rows):
                r.copy_(project(r[None], anchor[k : k + 1], radius[k : k + 1])[0])
        after.append(torch.stack([r.detach().clone() for r in rows]))
    put("adamw_step", case, words=words, anchor=anchor, radius=radius, grads=grads, after=torch.stack(after),
        lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2,
        m=torch.stack([optimiser.state[r]["exp_avg"] for r in rows]),
        v=torch.stack([optimiser.state[r]["exp_avg_sq"] for r in rows]))


draw("one", 1, 1, 0, 1)
draw("shared", 6, 16, 999, 3)
draw("late", 4, 9, 2**33 + 5, 0x102)
picture_logits("one", 1, 1, 8, 1)
picture_logits("odd", 5, 3, 77, 9)
picture_logits("clip", 3, 16, 128, 12)
one_vs_rest("one", 1, 1, 1, 1, 1, 1, 1.0)
one_vs_rest("odd", 5, 7, 3, 3, 11, 10, 4.0)
one_vs_rest("far", 4, 16, 8, 2, 30, 80, 100.0)  # differences that overflow exp
for n, c in (1, 2), (7, 77), (2, 1000):  # an op that is gone was drawn here: what follows stays as it is
    torch.randn(n, c), torch.randint(0, c, (n,), dtype=torch.int32), torch.randn(n)
INF = math.inf
pgd("small", 4, 3, [0.05, INF], 10, 0, 4)
pgd("odd", 7, 19, [0.05, 0.5, 0.0, INF], 10, 7, 6)  # passes the last step
pgd("clip", 2, 192, [0.1, INF], 1000, 0, 2)
adamw("small", 4, 3, [0.05, INF], 4)
adamw("odd", 7, 19, [0.001, 0.5, 0.0, INF], 5)
adamw("clip", 2, 192, [0.1, INF], 2)

path = pathlib.Path(__file__).parent / "fixtures" / "learning_ops.safetensors"
save_file(OUT, path, metadata={"made_by": "tests/reference/learning_ops.py", "torch": torch.__version__.split("+")[0]})
print(path.name, len(OUT), "tensors", path.stat().st_size, "bytes")
