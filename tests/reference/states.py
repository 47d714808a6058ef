"""hidden_states of the three embedded text encoders, for tests/networks/test_states.c.

    python tests/reference/states.py      writes tests/reference/fixtures/states.safetensors

The text "a photo of a {} on a table" with a vector in its place, in float64: half the embedding of "bread" plus sin(c) / 10.
At the end-of-text token and at the word: hidden_states of every layer, the embedding first, [2 positions, layers, width] in
fp32. Ran with torch 2.15.0, transformers 4.57.6.
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizerFast, Owlv2ForObjectDetection

from sd import tower_of

ROOT = pathlib.Path(__file__).parents[2]
BEFORE, AFTER = "a photo of a", "on a table"


def states(text_model, tokenizer, limit):
    text_model = text_model.double().eval()
    table = text_model.embeddings.token_embedding.weight
    token = lambda word: tokenizer(word, add_special_tokens=False).input_ids
    (dog,), (bread,) = token("dog"), token("bread")
    made = 0.5 * table[bread] + 0.1 * torch.sin(torch.arange(table.shape[1], dtype=torch.float64))
    ids = [tokenizer.bos_token_id] + token(BEFORE) + [dog] + token(AFTER) + [tokenizer.eos_token_id]
    at, end = 1 + len(token(BEFORE)), len(ids) - 1
    assert len(ids) <= limit

    def splice(module, args, y):
        y = y.clone()
        y[0, at] = made
        return y

    hook = text_model.embeddings.token_embedding.register_forward_hook(splice)
    hidden = text_model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    hook.remove()
    return torch.stack([torch.stack([h[0, p] for h in hidden]) for p in (end, at)]).float().contiguous()


def main():
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    data = ROOT / "data"
    tokenizer = lambda folder: CLIPTokenizerFast.from_pretrained(data / folder)
    out = {
        "clip": states(CLIPModel.from_pretrained(data / "clip-tiny").text_model, tokenizer("clip-tiny"), 77),
        "owlv2": states(Owlv2ForObjectDetection.from_pretrained(data / "owlv2-tiny").owlv2.text_model, tokenizer("owlv2-tiny"), 16),
        "sd": states(tower_of(CLIPTextModel.from_pretrained(data / "sd-tiny" / "text_encoder")), tokenizer("sd-tiny/tokenizer"), 77),
    }
    path = pathlib.Path(__file__).parent / "fixtures" / "states.safetensors"
    save_file(out, path)
    print({k: list(v.shape) for k, v in out.items()}, path.stat().st_size)


if __name__ == "__main__":
    main()
