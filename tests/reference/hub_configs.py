"""How transformers' CLIPConfig resolves sparse and old configurations.

    python tests/reference/hub_configs.py        writes fixtures/hub_configs.json

Ran with transformers 4.57.6. tests/io/test_hub_clip.c writes each as config.json and expects the same numbers.
"""

import json
import pathlib

from transformers import CLIPConfig

CONFIGS = [
    {},
    {"model_type": "clip", "architectures": ["CLIPModel"], "torch_dtype": "float16", "transformers_version": "4.16.0"},
    {"projection_dim": 768},
    {"projection_dim": 640, "text_config": {"projection_dim": 512, "hidden_size": 640, "num_attention_heads": 10}},
    {"text_config": {"vocab_size": 1000}, "vision_config": {"patch_size": 16}},
    {"text_config": {"hidden_act": "gelu", "layer_norm_eps": 1e-6}, "vision_config": {"hidden_act": "gelu"}},
    {"text_config_dict": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}},
    {"text_config": {"vocab_size": 7, "num_hidden_layers": 3}, "text_config_dict": {"num_hidden_layers": 5}},
    {"text_config": {"vocab_size": 7, "eos_token_id": 6}, "text_config_dict": {}},
    {"text_config": {"num_hidden_layers": 3}, "text_config_dict": None, "vision_config": None},
    {"vision_config": {"image_size": 336, "patch_size": 14}, "vision_config_dict": {"image_size": 224}},
    {"vision_config_dict": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}},
    {"text_config": {"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}},
    {"text_config": {"eos_token_id": 49407, "max_position_embeddings": 64}},
    {"hidden_size": 13, "text_config": {"unknown": [1, {"x": 2}]}},
    {"logit_scale_init_value": 2.6592, "initializer_factor": 1.0, "text_config": {"attention_dropout": 0.0}},
]


def resolved(config):
    c = CLIPConfig.from_dict(json.loads(json.dumps(config)))
    t, v = c.text_config, c.vision_config
    return {"projection_dim": c.projection_dim,
            "text": [t.vocab_size, t.hidden_size, t.intermediate_size, t.num_hidden_layers, t.num_attention_heads,
                     t.max_position_embeddings, t.eos_token_id, t.layer_norm_eps, t.hidden_act],
            "vision": [v.hidden_size, v.intermediate_size, v.num_hidden_layers, v.num_attention_heads, v.image_size,
                       v.patch_size, v.layer_norm_eps, v.hidden_act]}


if __name__ == "__main__":
    rows = [{"config": c, "resolved": resolved(c)} for c in CONFIGS]
    out = pathlib.Path(__file__).parent / "fixtures" / "hub_configs.json"
    out.write_text('{"cases": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]}\n")
