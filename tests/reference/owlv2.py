"""Three small random OWL-v2 networks, and what transformers computes with them in float64.

    python tests/reference/owlv2.py           # writes tests/reference/fixtures/owlv2_{a,b,c}/, owlv2_tiny.safetensors

Each folder is a hub directory (config.json, model.safetensors, picture settings, a token tokenizer) with
expected.safetensors beside:
  pixels [m, S, S, 3] fp16                          normalised pixels, channels last
  embedding [m, N, p], shift, scale [m, N]          the class head before a text meets it, embeddings of unit length
  boxes [m, N, 4], objectness [m, N]
  ids [n, L] i32, length [n] i32, text_features [n, p]
  logits [m, n, N]                                  of every text at every patch
  template_ids [M, L], word_position [M]            rows whose word is replaced by a vector
  words [M, d], direction [M, m, N], word_loss [M], word_gradient [M, d]
                                                    loss = direction . logits of the word, and its gradient to the word
a and b differ in every size; b is saved as transformers 5 saves it (processor_config.json alone); c is given pictures
of another size than its positions have (bicubic interpolation). owlv2_tiny.safetensors: the same numbers for
data/owlv2-tiny. The box bias' logarithms are taken in double of transformers' fp32 arguments (kernels/grid_box.h);
that they agree with transformers' own to fp32 is checked here. Made with torch 2.15.0, transformers 4.57.6.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import Owlv2Config, Owlv2ForObjectDetection

from clip import block, text_rows, unit, write_tokenizer

HERE = pathlib.Path(__file__).parent / "fixtures"
ROOT = pathlib.Path(__file__).parents[2]

CONFIGS = {
    "owlv2_a": dict(
        text=dict(vocab_size=67, hidden_size=36, intermediate_size=52, num_hidden_layers=2, num_attention_heads=3,
                  max_position_embeddings=12, hidden_act="quick_gelu"),
        vision=dict(image_size=30, patch_size=10, hidden_size=20, intermediate_size=44, num_hidden_layers=2,
                    num_attention_heads=2, hidden_act="quick_gelu")),
    "owlv2_b": dict(
        text=dict(vocab_size=41, hidden_size=24, intermediate_size=70, num_hidden_layers=2, num_attention_heads=2,
                  max_position_embeddings=16, hidden_act="gelu", layer_norm_eps=1e-3),
        vision=dict(image_size=35, patch_size=7, hidden_size=33, intermediate_size=50, num_hidden_layers=1,
                    num_attention_heads=3, hidden_act="quick_gelu"), later=True),
    "owlv2_c": dict(
        text=dict(vocab_size=43, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                  max_position_embeddings=16, hidden_act="quick_gelu"),
        vision=dict(image_size=24, patch_size=6, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
                    num_attention_heads=3, hidden_act="quick_gelu"), pictures=30),
}


def build(spec):
    """A random network whose attention is far from uniform (weights larger than at initialisation)."""
    torch.manual_seed(12)
    config = Owlv2Config(text_config=spec["text"], vision_config=spec["vision"],
                         projection_dim=spec["text"]["hidden_size"])
    model = Owlv2ForObjectDetection(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim >= 2:
                p.copy_(torch.randn_like(p) * (1.2 / p[0].numel() ** 0.5 if "embedding" not in name else 0.6))
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif not name.endswith("logit_scale"):
                p.copy_(0.1 * torch.randn_like(p))
            p.copy_(p.half())  # the files are fp16
    return model


def box_bias(model, side):
    """compute_box_bias, its logarithms of fp32 arguments taken in double."""
    grid = model.normalize_grid_corner_coordinates(side, side).float().clip(0, 1)
    log = lambda c: (c + 1e-4).double().log() - (-c + 1e-4).double().log1p()
    bias = torch.cat([log(grid), log(torch.full_like(grid, 1.0) / side)], -1)
    with torch.device("cpu"):
        theirs = model.compute_box_bias(side, side).double()
    assert (bias - theirs).abs().max() < 2e-6
    return bias


def word_feature(model, ids, position, words):
    """Unit-length features of token rows whose token at `position` has the vector `words`."""
    tower = model.owlv2.text_model
    x = tower.embeddings.token_embedding(ids).clone()
    rows = torch.arange(len(ids))
    x[rows, position] = words
    x = x + tower.embeddings.position_embedding.weight[: ids.shape[1]]
    L = ids.shape[1]
    mask = torch.full((L, L), float("-inf"), dtype=x.dtype).triu(1)[None, None]
    for layer in tower.encoder.layers:
        x = block(layer, x, mask)
    x = tower.final_layer_norm(x)[rows, ids.argmax(1)]
    return unit(model.owlv2.text_projection(x))


def expected(model, size=None, seed=3, n=5, pictures=2):
    """All arrays of the file's docstring."""
    model = model.double()
    cfg = model.config
    v = cfg.vision_config
    S = size or v.image_size
    side = S // v.patch_size
    bias = box_bias(model, side)
    model.box_bias = bias
    model.compute_box_bias = lambda *_, **__: bias
    torch.set_default_dtype(torch.float64)  # transformers builds its causal mask in the default type
    end = cfg.text_config.vocab_size - 1
    ids, length = text_rows_of(model, n, seed, end)
    g = torch.Generator().manual_seed(seed + 1)
    pixels = torch.randn(pictures, 3, S, S, generator=g, dtype=torch.float64).half().double()  # kept in fp16
    other = S != v.image_size
    with torch.no_grad():
        text = unit(model.owlv2.get_text_features(input_ids=ids))
        outs = [model(input_ids=ids, pixel_values=p[None], interpolate_pos_encoding=other) for p in pixels]
        maps = torch.cat([o.image_embeds for o in outs]).flatten(1, 2)
        head = model.class_head
        raw = head.dense0(maps)
        embedding = raw / (raw.norm(dim=-1, keepdim=True) + 1e-6)
        shift, scale = head.logit_shift(maps)[..., 0], head.elu(head.logit_scale(maps))[..., 0] + 1
    logits = torch.cat([o.logits for o in outs]).double()  # transformers ends in fp32
    def logits_of(q):
        q = q / (q.norm(dim=-1, keepdim=True) + 1e-6)
        return (torch.einsum("mpd,kd->kmp", embedding, q) + shift) * scale
    exact = logits_of(text).transpose(0, 1).contiguous()
    assert (exact.transpose(1, 2) - logits).abs().max() < 1e-5 * max(1, logits.abs().max())
    position = torch.randint(1, 3, (n,), generator=g)
    words = torch.randn(n, cfg.text_config.hidden_size, generator=g, dtype=torch.float64) * 0.5
    words.requires_grad_(True)
    direction = torch.randn(n, *shift.shape, generator=g, dtype=torch.float64)
    table = model.owlv2.text_model.embeddings.token_embedding.weight
    with torch.no_grad():  # the spliced path with the token's own embedding is the plain path
        own = word_feature(model, ids, position, table[ids[torch.arange(n), position]])
        assert (own - text).abs().max() < 1e-12
    loss = (direction * logits_of(word_feature(model, ids, position, words))).sum((1, 2))
    (gradient,) = torch.autograd.grad(loss.sum(), words)
    torch.set_default_dtype(torch.float32)
    i32 = lambda t: t.to(torch.int32).contiguous()
    stack = lambda f: torch.cat([f(o) for o in outs]).detach().contiguous()
    return {
        "pixels": pixels.permute(0, 2, 3, 1).half().contiguous(), "embedding": embedding, "shift": shift.contiguous(),
        "scale": scale.contiguous(), "boxes": stack(lambda o: o.pred_boxes),
        "objectness": stack(lambda o: o.objectness_logits), "ids": i32(ids), "length": i32(length),
        "text_features": text, "logits": exact, "template_ids": i32(ids), "word_position": i32(position),
        "words": words.detach(), "direction": direction, "word_loss": loss.detach(), "word_gradient": gradient,
    }


def text_rows_of(model, n, seed, end):
    """clip.py's rows for this network's text tower."""
    class Both:
        class config:
            text_config = model.config.text_config
    return text_rows(Both, n, seed, end)


def write_pictures(folder, spec):
    size = spec.get("pictures", spec["vision"]["image_size"])
    settings = {"image_processor_type": "Owlv2ImageProcessor", "size": {"height": size, "width": size}}
    if spec.get("later"):
        settings["image_processor_type"] = "Owlv2ImageProcessorFast"
        text = json.dumps({"image_processor": settings, "processor_class": "Owlv2Processor"})
        (folder / "processor_config.json").write_text(text)
    else:
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def main():
    for name, spec in CONFIGS.items():
        folder = HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        model = build(spec)
        config = model.config.to_diff_dict() if spec.get("later") else model.config.to_dict()
        (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
        state = {k: v.half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
        save_file(state, folder / "model.safetensors")
        save_file(expected(model, spec.get("pictures")), folder / "expected.safetensors")
        write_pictures(folder, spec)
        write_tokenizer(folder, spec["text"]["vocab_size"])
    tiny = Owlv2ForObjectDetection.from_pretrained(ROOT / "data" / "owlv2-tiny", dtype=torch.float32).eval()
    numbers = expected(tiny, n=2, pictures=1)
    numbers["embedding"] = numbers["embedding"][:, :16].contiguous()  # of its one picture's first patches
    save_file(numbers, HERE / "owlv2_tiny.safetensors")


if __name__ == "__main__":
    main()
