"""Write a CLIPModel as the hub directory that transformers and viswords load."""
import json
import shutil

import torch

TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
                   "special_tokens_map.json")

# What CLIPImageProcessor needs, besides the sizes, to prepare pictures as the training did.
PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True, "resample": 3,
    "do_center_crop": True,
    "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}

# OWL-v2 pads to a square and scales to the network's size itself.
OWL_PREPROCESSOR = {
    "image_processor_type": "Owlv2ImageProcessor", "processor_class": "Owlv2Processor",
    "do_rescale": True, "rescale_factor": 1 / 255, "do_pad": True,
    "do_resize": True, "resample": 2,
    "do_normalize": True,
    "image_mean": PREPROCESSOR["image_mean"], "image_std": PREPROCESSOR["image_std"],
}


def copy_tokenizer(source, folder):
    """The tokenizer's files; tokenizer.json, which says again what the others say, without white space."""
    for name in TOKENIZER_FILES:
        if name == "tokenizer.json":
            text = json.dumps(json.loads((source / name).read_text("utf-8")), ensure_ascii=False, separators=(",", ":"))
            (folder / name).write_text(text + "\n", "utf-8")
        else:
            shutil.copyfile(source / name, folder / name)


def save(model, folder, trained_words):
    """Write config, fp16 weights, preprocessor and trained words; the tokenizer stands there."""
    folder.mkdir(parents=True, exist_ok=True)
    half = type(model)(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)     # safetensors writes it for the owner alone
    side = model.config.vision_config.image_size
    prepare = dict(PREPROCESSOR, size={"shortest_edge": side},
                   crop_size={"height": side, "width": side})
    (folder / "preprocessor_config.json").write_text(json.dumps(prepare, indent=2) + "\n")
    (folder / "trained_words.txt").write_text("\n".join(trained_words) + "\n")


def save_owl(model, folder, trained_words):
    """As save(), for an Owlv2ForObjectDetection."""
    save(model, folder, trained_words)
    side = model.config.vision_config.image_size
    prepare = dict(OWL_PREPROCESSOR, size={"height": side, "width": side})
    (folder / "preprocessor_config.json").write_text(json.dumps(prepare, indent=2) + "\n")
    pad_with_first(folder, model.config.text_config.max_position_embeddings)


def pad_with_first(folder, length):
    """Let the tokenizer of a folder pad with "!" (id 0) to `length`, as OWL-v2's does."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        settings = json.loads((folder / name).read_text())
        settings["pad_token"] = "!"
        if "model_max_length" in settings:
            settings["model_max_length"] = length
            plain = dict(content="!", lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
            settings["added_tokens_decoder"] = {"0": plain, **settings["added_tokens_decoder"]}
        (folder / name).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
