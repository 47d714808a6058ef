"""Two small random CLIP networks of odd sizes, and what transformers computes with them in float64.

    python tests/reference/clip.py            # writes tests/reference/fixtures/clip_{a,b}/

Each folder is a hub directory (config.json, model.safetensors in fp16, a token tokenizer) with expected.safetensors beside:
  ids [n, L] i32, length [n] i32, text_features [n, p]    unit-length features of token rows
  pixels [m, S, S, 3], image_features [m, p]              normalised pixels (fp16), channels last
  template_ids [M, L], word_position [M]                  rows whose word is replaced by a vector
  words [M, d], direction [M, p], word_loss [M], word_gradient [M, d]
                                                          loss = direction . feature, and its gradient to the word
Also clip_tiny.safetensors: the same numbers for the embedded network (data/clip-tiny; its weights are not copied).
Made with torch 2.15.0, transformers 4.57.6.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

HERE = pathlib.Path(__file__).parent / "fixtures"
ROOT = pathlib.Path(__file__).parents[2]

CONFIGS = {
    # odd widths, three heads, exact GELU in the text tower, old end-of-text rule (eos_token_id 2: the largest id)
    "clip_a": dict(
        text=dict(vocab_size=67, hidden_size=36, intermediate_size=52, num_hidden_layers=3, num_attention_heads=3,
                  max_position_embeddings=19, hidden_act="gelu", eos_token_id=2),
        vision=dict(image_size=30, patch_size=10, hidden_size=20, intermediate_size=44, num_hidden_layers=2,
                    num_attention_heads=2, hidden_act="quick_gelu"), projection_dim=28),
    # one head, one layer in vision, other epsilon, new end-of-text rule
    "clip_b": dict(
        text=dict(vocab_size=41, hidden_size=24, intermediate_size=96, num_hidden_layers=4, num_attention_heads=1,
                  max_position_embeddings=77, hidden_act="quick_gelu", eos_token_id=40, layer_norm_eps=1e-3),
        vision=dict(image_size=21, patch_size=7, hidden_size=33, intermediate_size=50, num_hidden_layers=1,
                    num_attention_heads=3, hidden_act="gelu"), projection_dim=17),
}


def build(spec):
    """A random network whose attention is far from uniform (weights larger than at initialisation)."""
    torch.manual_seed(11)
    config = CLIPConfig(text_config=spec["text"], vision_config=spec["vision"], projection_dim=spec["projection_dim"])
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim >= 2:
                p.copy_(torch.randn_like(p) * (1.2 / p[0].numel() ** 0.5 if "embedding" not in name else 0.6))
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif name != "logit_scale":
                p.copy_(0.1 * torch.randn_like(p))
            p.copy_(p.half().float())  # kept in fp16
    return model


def write_tokenizer(folder, vocab):
    """The least that a tokenizer needs: single characters, start and end (largest id)."""
    entries = [chr(33 + i) for i in range(vocab // 2 - 1)]
    entries += [c + "</w>" for c in entries][: vocab - 2 - len(entries)]
    entries += [f"unused{i}" for i in range(vocab - 2 - len(entries))]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({e: i for i, e in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def text_rows(model, n, seed, end):
    """n rows of different lengths: start, random ids, end of text, padding."""
    g = torch.Generator().manual_seed(seed)
    vocab, L = model.config.text_config.vocab_size, min(model.config.text_config.max_position_embeddings, 12)
    ids = torch.zeros(n, L, dtype=torch.long)
    length = torch.randint(4, L + 1, (n,), generator=g)
    for i in range(n):
        k = int(length[i])
        ids[i, :k] = torch.randint(1, vocab - 3, (k,), generator=g)
        ids[i, k - 1] = end
    return ids, length


def word_features(model, ids, position, words):
    """Features of token rows whose token at `position` has the vector `words` in place of its embedding."""
    tower = model.text_model
    x = tower.embeddings.token_embedding(ids).clone()
    rows = torch.arange(len(ids))
    x[rows, position] = words
    x = x + tower.embeddings.position_embedding.weight[: ids.shape[1]]
    L = ids.shape[1]
    mask = torch.full((L, L), float("-inf"), dtype=x.dtype).triu(1)[None, None]
    for layer in tower.encoder.layers:
        x = block(layer, x, mask)
    x = tower.final_layer_norm(x)
    end = model.config.text_config.eos_token_id
    pooled = ids.argmax(1) if end == 2 else (ids == end).int().argmax(1)
    return unit(model.text_projection(x[rows, pooled]))


def block(layer, x, mask):
    """One pre-norm block from its parts: independent of how transformers passes masks."""
    a = layer.self_attn
    h = layer.layer_norm1(x)
    B, L, C = h.shape
    split = lambda y: y.view(B, L, a.num_heads, C // a.num_heads).transpose(1, 2)
    q, k, v = split(a.q_proj(h)), split(a.k_proj(h)), split(a.v_proj(h))
    p = (q @ k.transpose(-1, -2) * (C // a.num_heads) ** -0.5 + mask).softmax(-1)
    x = x + a.out_proj((p @ v).transpose(1, 2).reshape(B, L, C))
    return x + layer.mlp(layer.layer_norm2(x))


def expected(model, seed=3, n=5):
    """All arrays of the file's docstring."""
    torch.set_default_dtype(torch.float64)  # transformers builds its causal mask in the default type
    model = model.double()
    cfg = model.config
    end = cfg.text_config.eos_token_id if cfg.text_config.eos_token_id != 2 else cfg.text_config.vocab_size - 1
    ids, length = text_rows(model, n, seed, end)
    g = torch.Generator().manual_seed(seed + 1)
    S = cfg.vision_config.image_size
    pixels = torch.randn(3, 3, S, S, generator=g, dtype=torch.float64).half().double()[: 3 if S < 64 else 1]
    with torch.no_grad():
        text = unit(model.get_text_features(input_ids=ids))
        image = unit(model.get_image_features(pixel_values=pixels))
    position = torch.randint(1, 3, (n,), generator=g)
    words = torch.randn(n, cfg.text_config.hidden_size, generator=g, dtype=torch.float64) * 0.5
    words.requires_grad_(True)
    direction = torch.randn(n, cfg.projection_dim, generator=g, dtype=torch.float64)
    table = model.text_model.embeddings.token_embedding.weight
    with torch.no_grad():  # the spliced path with the token's own embedding is the plain path
        own = word_features(model, ids, position, table[ids[torch.arange(n), position]])
        assert (own - text).abs().max() < 1e-12
    loss = (direction * word_features(model, ids, position, words)).sum(1)
    (gradient,) = torch.autograd.grad(loss.sum(), words)
    torch.set_default_dtype(torch.float32)
    i32 = lambda t: t.to(torch.int32).contiguous()
    return {
        "ids": i32(ids), "length": i32(length), "text_features": text, "pixels": pixels.permute(0, 2, 3, 1).half().contiguous(),
        "image_features": image, "template_ids": i32(ids), "word_position": i32(position), "words": words.detach(),
        "direction": direction, "word_loss": loss.detach(), "word_gradient": gradient,
    }


def main():
    for name, spec in CONFIGS.items():
        folder = HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        model = build(spec)
        config = model.config.to_dict()
        (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
        state = {k: v.half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
        save_file(state, folder / "model.safetensors")
        save_file(expected(model), folder / "expected.safetensors")
        size = spec["vision"]["image_size"]
        (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": size}, "crop_size": size}))
        write_tokenizer(folder, spec["text"]["vocab_size"])
    tiny = CLIPModel.from_pretrained(ROOT / "data" / "clip-tiny").eval()
    save_file(expected(tiny), HERE / "clip_tiny.safetensors")


if __name__ == "__main__":
    main()
