#!/usr/bin/env bash
# Picture settings that stand in processor_config.json alone, as CLIPProcessor.save_pretrained of transformers 5 writes
# them. OpenAI's mean, deviation and size were taken instead. The cosines are those of the backend ref with the same
# settings in preprocessor_config.json; so read, a directory of this kind met transformers' own feature to 1e-7.
source "$(dirname "$0")/../support/regress.sh"
small_clip model
{ printf '{"image_processor": ' && cat model/preprocessor_config.json && printf ', "processor_class": "CLIPProcessor"}'; } > model/processor_config.json
rm model/preprocessor_config.json
must encode model -t 'a cat' -t 'a red dog' "$regress_data/bits.png" --json --threads 1
cosines=$(grep -o '"cosine":\[[^]]*\]' out.txt | head -1 | tr -d '[]' | sed 's/.*://; s/,/ /g')
expect_near "cosines of bits.png" "$cosines" '-0.0722760573 -0.0630548780' 2e-5
finish
