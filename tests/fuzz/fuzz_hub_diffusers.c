/* The configurations of a Stable Diffusion directory, with 0 bytes between them: model_index.json, the text encoder's,
 * the UNet's, the autoencoder's, the scheduler's. Those that do not come are empty objects; without an index, a good
 * one, so that the others are reached. */
#include <string.h>

#include "io/hub/hub_diffusers.h"
#include "tests/fuzz/fuzz.h"

static const char good_index[] =
    "{\"_class_name\": \"StableDiffusionPipeline\", \"unet\": [\"diffusers\", \"UNet2DConditionModel\"],"
    "\"vae\": [\"diffusers\", \"AutoencoderKL\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"],"
    "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"]}";

void fuzz_one(const uint8_t *data, size_t size) {
  static const char *const files[] = {"model_index.json", "text_encoder/config.json", "unet/config.json",
                                      "vae/config.json", "scheduler/scheduler_config.json"};
  enum { FILES = sizeof files / sizeof *files };
  vw_hub_diffusers h;
  for (int i = 0; i < FILES; i++) {
    const uint8_t *part;
    size_t n;
    const char *otherwise = i ? "{}" : good_index;
    fuzz_part(&data, &size, &part, &n);
    (void)fuzz_file(files[i], n ? (const char *)part : otherwise, n ? n : strlen(otherwise));
  }
  if (vw_hub_diffusers_read_configs(&h, fuzz_folder()) == VW_OK) vw_hub_diffusers_close(&h);
}
