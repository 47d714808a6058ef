#include "io/hub/hub_owlv2.h"

#include "core/durable.h"
#include "io/hub/hub_pictures_internal.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const vw_hub_family vw_hub_family_owlv2 = {.type = "owlv2",
                                           .saves = "Owlv2ForObjectDetection",
                                           .prefix = "owlv2.",
                                           .positions = 16,
                                           .image_size = 768,
                                           .patch = 16};

/* ---- how pictures are prepared ----------------------------------------------------------------------------------- */

/* A step of the processor: on where the key is absent. */
static vw_status read_flag(const char *path, const json_t *config, const char *key, bool *on) {
  const json_t *v = json_object_get(config, key);
  *on = !v || json_is_true(v);
  VW_CHECK(!v || json_is_null(v) || json_is_boolean(v), VW_ERR_INPUT, "%s: %s is neither true nor false", path, key);
  return VW_OK;
}

/* {"height": S, "width": S}, or one number. */
static vw_status read_size(const char *path, const json_t *config, int64_t *size) {
  const json_t *v = json_object_get(config, "size");
  const json_t *height = json_is_object(v) ? json_object_get(v, "height") : v;
  const json_t *width = json_is_object(v) ? json_object_get(v, "width") : v;
  if (!v || json_is_null(v)) return VW_OK;
  VW_CHECK(json_is_integer(height) && json_is_integer(width), VW_ERR_UNSUPPORTED,
           "%s: size: expected {\"height\": pixels, \"width\": pixels} or a number", path);
  *size = (int64_t)json_integer_value(height);
  VW_CHECK(json_integer_value(width) == *size, VW_ERR_UNSUPPORTED, "%s: size is not a square", path);
  VW_CHECK(*size >= 1 && *size <= 1 << 14, VW_ERR_INPUT, "%s: size.height is %" PRId64 ", expected 1 to %d", path,
           *size, 1 << 14);
  return VW_OK;
}

static vw_status read_settings(const char *path, const json_t *config, vw_square *s) {
  bool pad, resize, rescale, normalise;
  VW_TRY(vw_hub_processor_is(path, config, "Owlv2"));
  VW_TRY(read_flag(path, config, "do_pad", &pad));
  VW_TRY(read_flag(path, config, "do_resize", &resize));
  VW_TRY(read_flag(path, config, "do_rescale", &rescale));
  VW_TRY(read_flag(path, config, "do_normalize", &normalise));
  VW_CHECK(pad && resize, VW_ERR_UNSUPPORTED,
           "%s: %s is off; OWL-v2's pictures are padded to a square and resized, so that boxes are parts of it", path,
           pad ? "do_resize" : "do_pad");
  VW_CHECK(rescale, VW_ERR_UNSUPPORTED, "%s: do_rescale is off; expected pixels from 0 to 1, padded with 0.5", path);
  VW_TRY(read_size(path, config, &s->size));
  VW_TRY(vw_json_double(path, "", config, "rescale_factor", s->rescale, &s->rescale));
  VW_TRY(vw_hub_three(path, config, "image_mean", false, s->mean));
  VW_TRY(vw_hub_three(path, config, "image_std", true, s->std));
  for (int c = 0; c < 3 && !normalise; c++) s->mean[c] = 0, s->std[c] = 1;
  return VW_OK;
}

/* Of the processor where no file says otherwise; without any file the size is the network's own. */
static vw_square usual(int64_t size) {
  return (vw_square){.size = size,
                     .pad = 0.5,
                     .mean = {0.48145466, 0.4578275, 0.40821073},
                     .std = {0.26862954, 0.26130258, 0.27577711},
                     .rescale = 1.0 / 255};
}

vw_status vw_hub_owlv2_pictures_read(const char *folder, int64_t image_size, vw_square *s) {
  enum { USUAL_SIZE = 960 };
  char path[VW_PATH_BYTES], old_path[VW_PATH_BYTES];
  json_t *whole = NULL, *old = NULL;
  vw_status st = VW_OK;
  *s = usual(image_size);
  VW_TRY(vw_path_format(path, "%s/processor_config.json", folder));
  VW_TRY(vw_path_format(old_path, "%s/preprocessor_config.json", folder));
  VW_GOTO(vw_json_read_optional(path, &whole));
  VW_GOTO(vw_json_read_optional(old_path, &old));
  const json_t *nested = json_object_get(whole, "image_processor");
  const bool from_old = !nested || json_is_null(nested);
  if (!from_old && !json_is_object(nested))
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: image_processor: expected an object", path));
  const json_t *config = from_old ? old : nested;
  if (config) {
    s->size = USUAL_SIZE;
    VW_GOTO(read_settings(from_old ? old_path : path, config, s));
  }
cleanup:
  json_decref(whole), json_decref(old);
  return st;
}

vw_status vw_hub_owlv2_open(vw_hub_clip *h, vw_square *square, const char *folder) {
  vw_status st = VW_OK;
  VW_TRY(vw_hub_clip_open_family(h, folder, &vw_hub_family_owlv2));
  h->reread = true;         /* processor_config.json counts */
  h->text.eos_token_id = 2; /* texts are read at their largest id, whatever the configuration says */
  if (h->projection_dim != h->text.width)
    VW_GOTO(VW_RAISE(VW_ERR_UNSUPPORTED,
                     "%s/config.json: projection_dim is %" PRId64 ", text_config.hidden_size %" PRId64
                     "; OWL-v2 compares texts with patches at the texts' width",
                     folder, h->projection_dim, h->text.width));
  VW_GOTO(vw_hub_owlv2_pictures_read(folder, h->vision.image_size, square));
  if (square->size % h->vision.patch)
    VW_GOTO(VW_RAISE(VW_ERR_UNSUPPORTED, "%s: pictures of %" PRId64 " pixels are no whole patches of %" PRId64, folder,
                     square->size, h->vision.patch));
cleanup:
  if (st != VW_OK) vw_hub_clip_close(h);
  return st;
}
