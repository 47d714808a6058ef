"""Write a CLIPModel as the hub directory that transformers and viswords load."""
import json

import torch

# What CLIPImageProcessor needs to prepare pictures as the training did.
PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True, "size": {"shortest_edge": 64}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": 64, "width": 64},
    "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def save(model, folder, trained_words):
    """Write config, fp16 weights, preprocessor and trained words; the tokenizer stands there."""
    folder.mkdir(parents=True, exist_ok=True)
    half = type(model)(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)     # safetensors writes it for the owner alone
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
    (folder / "trained_words.txt").write_text("\n".join(trained_words) + "\n")
