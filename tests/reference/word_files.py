"""Files of learned words as other programs write them, and diffusers' view of ours.

    python tests/reference/word_files.py            writes fixtures/words/
    python tests/reference/word_files.py VISWORDS   the round trip: words that VISWORDS exports, loaded and drawn by
                                                    diffusers, and diffusers' files drawn by VISWORDS

Ran with diffusers 0.39, transformers 4.57.6, safetensors 0.8.0, torch 2.15. Numbers are fill(seed) / 16 (sd.py).
diffusers has no function that saves words; learned_embeds.safetensors is what its script examples/textual_inversion
saves ({token: [vectors, width]}), AUTOMATIC1111 saves {"emb_params": [vectors, width]}, or a pickle with
string_to_param, kohya emb_params with its own metadata. Each file but the pickle and sdxl is loaded by
load_textual_inversion here before it is written down.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from draws_check import stream_key  # noqa: F401  (golden_sd reads its neighbours)
from golden_sd import LATENT, normals
from sd import fill

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(__file__).parent / "fixtures" / "words"
MODEL = ROOT / "data" / "sd-tiny"
WIDTH = 192
SETTINGS = dict(num_inference_steps=4, guidance_scale=4.0, height=32, width=32)


def pipeline():
    pipe = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def numbers(seed, vectors):
    return (fill(seed, vectors, WIDTH) / 16).float()


def write():
    FOLDER.mkdir(exist_ok=True)
    one, two, three, four = numbers(1, 1), numbers(2, 2), numbers(3, 1), numbers(4, 2)
    save_file({"<portrait>": one}, FOLDER / "learned_embeds.safetensors", metadata={"format": "pt"})
    save_file({"<two>": two.half()}, FOLDER / "two_vectors.safetensors", metadata={"format": "pt"})
    save_file({"emb_params": three}, FOLDER / "a1111.safetensors")
    kohya = {"ss_sd_model_name": "sd-tiny", "modelspec.architecture": "stable-diffusion-v1/textual-inversion"}
    save_file({"emb_params": four.bfloat16()}, FOLDER / "kohya.safetensors", metadata=kohya)
    save_file({"clip_l": one[:, :48].contiguous(), "clip_g": two[:1, :80].contiguous()}, FOLDER / "sdxl.safetensors")
    pickle = {"string_to_token": {"*": 265}, "string_to_param": {"*": three}, "name": "portrait", "step": 100,
              "sd_checkpoint": None, "sd_checkpoint_name": None}
    torch.save(pickle, FOLDER / "a1111.pt")
    for name, token, n in (("learned_embeds", None, 1), ("two_vectors", None, 2), ("a1111", "<a>", 1), ("kohya", "<k>", 2)):
        pipe, path = pipeline(), FOLDER / f"{name}.safetensors"
        before = len(pipe.tokenizer)
        pipe.load_textual_inversion(str(path), token=token)
        assert len(pipe.tokenizer) == before + n, name
        table, expected = pipe.text_encoder.get_input_embeddings().weight, next(iter(load_file(path).values())).float()
        assert torch.equal(table[before:], expected), name
    print(f"{FOLDER}: {sorted(p.name for p in FOLDER.iterdir())}")


def draw(pipe, text, seed):
    """Diffusers' picture from the noise of `viswords generate --seed`."""
    latents = normals(seed, 0, LATENT, 4 * 8 * 8).reshape(1, 4, 8, 8).float()
    return np.asarray(pipe(text, latents=latents, negative_prompt="", **SETTINGS).images[0]).astype(int)


def by_viswords(viswords, words, folder, seed):
    command = [viswords, "generate", MODEL, "--words", words, "-n", "1", "--seed", str(seed), "-o", folder, "--sampler",
               "ddim", "--steps", "4", "--guidance", "4", "--size", "32", "-q"]
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
    pictures = [p for p in pathlib.Path(folder).glob("*.png") if p.name != "sheet.png"]
    assert len(pictures) == 1, pictures
    return np.asarray(Image.open(pictures[0]).convert("RGB")).astype(int)


def compare(viswords, path, pipe, token, work):
    """One word, drawn by both: the largest difference of a level, and how the picture differs from the anchor's."""
    theirs = draw(pipe, f"a photo of a {token}", 3)
    ours = by_viswords(viswords, path, work / token.strip("<>"), 3)
    other = draw(pipe, "a photo of a dog", 3)
    difference, away = abs(ours - theirs).max(), abs(theirs - other).max()
    print(f"{path.name}: {token}: viswords and diffusers differ by {difference} of 255 levels ('dog' by {away})")
    assert difference <= 1 and away > 8, path


def round_trip(viswords):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for layout in ("plain", "diffusers", "a1111", "kohya"):
            out = work / layout
            for source in ("learned_embeds", "two_vectors"):
                subprocess.run([viswords, "export", str(FOLDER / f"{source}.safetensors"), "--network", str(MODEL), "-o",
                                str(out), "--format", layout], check=True, stdout=subprocess.DEVNULL)
            for path in sorted(out.iterdir()):
                pipe = pipeline()
                token = None if layout in ("plain", "diffusers") else f"<{path.stem}>"
                before = len(pipe.tokenizer)
                pipe.load_textual_inversion(str(path), token=token)
                token = token or next(iter(load_file(path)))
                source = "two_vectors" if len(pipe.tokenizer) == before + 2 else "learned_embeds"
                expected = next(iter(load_file(FOLDER / f"{source}.safetensors").values())).float()
                assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[before:], expected), path
                if layout == "diffusers":
                    compare(viswords, path, pipe, token, work / "pictures")
        for name in ("learned_embeds", "two_vectors", "a1111", "kohya"):
            pipe = pipeline()
            token = f"<{name.replace('_', '-')}>"
            pipe.load_textual_inversion(str(FOLDER / f"{name}.safetensors"), token=token)
            compare(viswords, FOLDER / f"{name}.safetensors", pipe, token, work / "theirs")


if __name__ == "__main__":
    round_trip(sys.argv[1]) if len(sys.argv) > 1 else write()
