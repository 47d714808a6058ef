"""Fixtures of the networks' ops: inputs, outputs and gradients in float64 by PyTorch.

    python tests/reference/ops.py        # writes tests/reference/fixtures/ops.safetensors

Each case <name> has <name>.in<i>, <name>.out<i> (outputs that the op keeps for its gradient included), <name>.dy and
<name>.grad (the gradient to input 0). tests/kernels/test_network_fixtures.c runs `ref` on them.
Made with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0; the versions of a run are kept in the file's metadata.
"""

import pathlib

import numpy as np
import safetensors
import safetensors.numpy
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.manual_seed(9)
fixtures = {}


def rand(*shape):
    return torch.rand(shape) * 2 - 1


def index(n, *shape):
    return torch.randint(0, n, shape, dtype=torch.int32)


def keep(name, inputs, outputs, wanted=True):
    """inputs: None where absent; the gradient to inputs[0] is that of sum(outputs[0] * dy)."""
    for i, x in enumerate(inputs):
        if x is not None:
            fixtures[f"{name}.in{i}"] = x.detach().numpy()
    for i, y in enumerate(outputs):
        fixtures[f"{name}.out{i}"] = y.detach().numpy()
    if wanted:
        dy = rand(*outputs[0].shape)
        fixtures[f"{name}.dy"] = dy.numpy()
        fixtures[f"{name}.grad"] = torch.autograd.grad(outputs[0], inputs[0], dy)[0].numpy()


def linear(name, act, n, k, m, bias, residual):
    x, w = rand(n, k).requires_grad_(), rand(m, k)
    b = rand(m) if bias else None
    r = rand(n, m) if residual else None
    z = F.linear(x, w, b) * 1
    y = {"none": lambda t: t, "quick": lambda t: t * torch.sigmoid(1.702 * t), "gelu": F.gelu}[act](z)
    if r is not None:
        y = y + r
    keep(name, [x, w, b, r], [y] if act == "none" else [y, z])


def layernorm(name, *shape):
    c = shape[-1]
    x, gamma, beta = (rand(*shape) * 3 + 1).requires_grad_(), rand(c), rand(c)
    y = F.layer_norm(x, (c,), gamma, beta, 1e-5)
    var, mean = torch.var_mean(x, dim=-1, correction=0)
    keep(name, [x, gamma, beta], [y, mean, (var + 1e-5).rsqrt()])


def splice(name, n_words, n_templates, b, t, c):
    words, tail = rand(n_words, c).requires_grad_(), rand(n_templates, t, c)
    row_word, row_template, pos = index(n_words, b), index(n_templates, b), index(t, n_templates)
    m = row_template.long()
    at = F.one_hot(pos.long()[m], t).to(torch.float64)
    x = tail[m] + at[:, :, None] * words[row_word.long()][:, None, :]
    keep(name, [words, tail, row_word, row_template, pos], [x])


def attention(name, heads, causal, b, t, d, prefix=None, length=None):
    """prefix: lengths of the templates' prefixes; length: valid positions of each row."""
    c = heads * d
    qkv = (2 * rand(b, t, 3 * c)).requires_grad_()
    inputs = [qkv, None, None, None, None]
    p = max(prefix) if prefix else 0
    if prefix:
        inputs[1] = 2 * rand(len(prefix), p, 2 * c)
        inputs[2], inputs[3] = index(len(prefix), b), torch.tensor(prefix, dtype=torch.int32)
    if length:
        inputs[4] = torch.tensor(length, dtype=torch.int32)
    ys, lses = [], []
    for row in range(b):
        n = length[row] if length else t
        q, k, v = qkv[row].reshape(t, 3, heads, d).permute(1, 2, 0, 3)
        seen = torch.ones(t, t, dtype=torch.bool)
        if causal:
            seen = seen.tril()
        seen = seen & (torch.arange(t) < n)
        if prefix:
            m = int(inputs[2][row])
            pk, pv = inputs[1][m].reshape(p, 2, heads, d).permute(1, 2, 0, 3)
            k, v = torch.cat([pk, k], 1), torch.cat([pv, v], 1)
            seen = torch.cat([(torch.arange(p) < prefix[m]).expand(t, p), seen], 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        scores = (q @ k.transpose(1, 2) / d**0.5).masked_fill(~seen, -torch.inf)
        valid = (torch.arange(t) < n).to(torch.float64)
        ys.append((y * valid[:, None]).permute(1, 0, 2).reshape(t, c))
        lses.append(torch.logsumexp(scores, -1).detach() * valid)
    keep(name, inputs, [torch.stack(ys), torch.stack(lses)])


def select_row(name, b, t, c):
    x, position = rand(b, t, c).requires_grad_(), index(t, b)
    keep(name, [x, position], [x[torch.arange(b), position.long()]])


def l2norm(name, b, c):
    x = rand(b, c).requires_grad_()
    keep(name, [x], [F.normalize(x, dim=-1, eps=0.0), 1 / x.norm(dim=-1)])


def take(name):
    table, rows = rand(5, 3, 2), index(5, 9)
    keep(name, [table, rows], [table[rows.long()]], wanted=False)


def patch_embed(name, b, h, w, p, d):
    pixels, weight, cls, position = rand(b, h, w, 3), rand(d, 3, p, p), rand(d), rand(1 + (h // p) * (w // p), d)
    patches = F.conv2d(pixels.permute(0, 3, 1, 2), weight, stride=p).flatten(2).transpose(1, 2)
    x = torch.cat([cls.expand(b, 1, d), patches], 1) + position
    keep(name, [pixels, weight, cls, position], [x], wanted=False)


linear("linear_one", "none", 1, 1, 1, False, False)
linear("linear_odd", "none", 5, 7, 3, True, True)
linear("linear_quick", "quick", 4, 17, 33, True, False)
linear("linear_gelu", "gelu", 3, 32, 19, True, True)
layernorm("layernorm_one_row_8", 1, 8)
layernorm("layernorm_odd_77", 2, 3, 77)
layernorm("layernorm_384", 1, 384)
splice("splice", 5, 3, 11, 4, 9)
attention("attention_causal", 2, True, 2, 5, 7)
attention("attention_full", 3, False, 2, 6, 4)
attention("attention_padded", 2, False, 3, 5, 4, length=[1, 5, 3])
attention("attention_suffix", 2, True, 4, 3, 8, prefix=[6, 1], length=[3, 1, 2, 3])
select_row("select_row", 4, 7, 5)
l2norm("l2norm", 3, 17)
take("take")
patch_embed("patch_embed", 2, 6, 9, 3, 5)

path = pathlib.Path(__file__).parent / "fixtures" / "ops.safetensors"
versions = {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__}
tensors = {k: np.ascontiguousarray(v) for k, v in fixtures.items()}
safetensors.numpy.save_file(tensors, path, metadata={k: str(v) for k, v in versions.items()})
print(path, path.stat().st_size, versions)
