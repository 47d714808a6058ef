"""Write and read the embedded Stable Diffusion as the directory that diffusers loads."""
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizerFast

import diffusion
import hub

INDEX = {
    "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.35.2",
    "feature_extractor": [None, None], "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.35.2", "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    "prediction_type": "v_prediction", "set_alpha_to_one": False, "steps_offset": 1,
    "clip_sample": False, "timestep_spacing": "leading", "trained_betas": None,
    "skip_prk_steps": True,
}
TEXT_FILE = "model.safetensors"


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_half(model, folder):
    """Config and fp16 weights of one part; not the path it came from, which diffusers would note."""
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.half().save_pretrained(folder, safe_serialization=True)
    model.float().load_state_dict(state)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    write_json(folder / "config.json", config)
    for f in folder.glob("*.safetensors"):
        f.chmod(0o644)          # safetensors writes it for the owner alone


def save_text(model, folder):
    """The text encoder with the names of the hub: transformers 5 drops their prefix."""
    save_half(model, folder)
    weights = load_file(folder / TEXT_FILE)
    prefix = "text_model."
    if not all(k.startswith(prefix) for k in weights):
        weights = {prefix + k.removeprefix(prefix): v for k, v in weights.items()}
        save_file(weights, folder / TEXT_FILE, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", dict(config, model_type="clip_text_model"))


def save_tokenizer(source, folder):
    """CLIP's tokenizer with "!" (id 0) for padding, as 2.1 has it."""
    folder.mkdir(parents=True, exist_ok=True)
    hub.copy_tokenizer(source, folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        config = json.loads((source / name).read_text())
        write_json(folder / name, dict(config, pad_token="!"))


def save(unet, text, vae, tokenizer, folder, trained_words):
    folder.mkdir(parents=True, exist_ok=True)
    save_half(unet, folder / "unet")
    save_half(vae, folder / "vae")
    save_text(text, folder / "text_encoder")
    save_tokenizer(Path(tokenizer), folder / "tokenizer")
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(folder / "model_index.json", INDEX)
    (folder / "trained_words.txt").write_text("\n".join(trained_words) + "\n")


class Net:
    """The shipped network in fp32, ready to draw and to learn words with."""

    def __init__(self, folder):
        folder = Path(folder)
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
        self.vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32)
        self.tok = CLIPTokenizerFast.from_pretrained(folder / "tokenizer")
        for m in (self.unet, self.vae, self.text):
            m.eval().requires_grad_(False)
        self.unet.set_attn_processor(diffusion.PlainAttention())
        self.vectors = self.text.text_model.embeddings.token_embedding.weight
        words = (folder / "trained_words.txt").read_text().split()
        self.trained = torch.tensor([self.word_id(w) for w in words])

    def word_id(self, word):
        ids = self.tok(word).input_ids
        assert len(ids) == 3, f"{word!r} is not one token"
        return ids[1]

    def states(self, captions, layers=None):
        return diffusion.text_states(self.text, diffusion.padded(self.tok, captions), layers=layers)

    def spliced(self, vectors, template, layers=None):
        """States with each row of `vectors` in the word's place."""
        ids = diffusion.padded(self.tok, [template.format("dog")])
        at = int((ids[0] == self.word_id("dog")).nonzero()[0])
        h = self.vectors[ids].expand(len(vectors), -1, -1)
        h = torch.cat([h[:, :at], vectors[:, None], h[:, at + 1:]], 1)
        return diffusion.text_states(self.text, ids, h, layers)

    def draw(self, states, layers=None, **sampling):
        """Pictures in [-1, 1]."""
        return diffusion.pictures_of(self.unet, self.vae, states, self.states([""], layers), **sampling)

    def nearest(self, ids):
        """Distance of each word to its nearest other trained word."""
        d = torch.cdist(self.vectors[ids], self.vectors[self.trained])
        d[ids[:, None] == self.trained[None]] = torch.inf
        return d.min(1).values
