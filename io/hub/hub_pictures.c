#include "io/hub/hub_pictures.h"
#include "io/hub/hub_pictures_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/durable.h"
#include "io/json.h"

static const int64_t MOST_PIXELS = 1 << 14; /* of an edge */

/* A step of CLIP's preprocessing: on where the key is absent, off where it is null, as both 4.57.6 and 5.24 have it. */
static vw_status read_flag(const char *path, const json_t *config, const char *key, bool *out) {
  const json_t *v = json_object_get(config, key);
  *out = !v || json_is_true(v);
  VW_CHECK(!v || json_is_null(v) || json_is_boolean(v), VW_ERR_INPUT, "%s: %s is neither true nor false", path, key);
  return VW_OK;
}

static vw_status read_edge(const char *path, const char *key, const char *name, const json_t *v, int64_t *out) {
  char where[40];
  (void)snprintf(where, sizeof where, "%s.%s", key, name);
  *out = (int64_t)json_integer_value(v);
  VW_CHECK(json_is_integer(v), VW_ERR_INPUT, "%s: %s: expected a whole number", path, where);
  VW_CHECK(*out >= 1 && *out <= MOST_PIXELS, VW_ERR_INPUT, "%s: %s is %" PRId64 ", expected 1 to %" PRId64, path, where,
           *out, MOST_PIXELS);
  return VW_OK;
}

/* A size of a configuration: a number, [height, width] or an object. 0: not said. */
typedef struct edges {
  int64_t number, shortest, longest, height, width, max_height, max_width;
} edges;

static vw_status read_edges(const char *path, const char *key, const json_t *v, edges *e) {
  const struct {
    const char *name;
    int64_t *edge;
  } names[] = {{"shortest_edge", &e->shortest}, {"longest_edge", &e->longest},
               {"height", &e->height},          {"width", &e->width},
               {"max_height", &e->max_height},  {"max_width", &e->max_width}};
  enum { NAMES = sizeof names / sizeof *names };
  const char *name;
  const json_t *value;
  *e = (edges){0};
  if (json_is_array(v)) {
    VW_CHECK(json_array_size(v) == 2, VW_ERR_INPUT, "%s: %s: expected [height, width]", path, key);
    VW_TRY(read_edge(path, key, "height", json_array_get(v, 0), &e->height));
    return read_edge(path, key, "width", json_array_get(v, 1), &e->width);
  }
  if (!json_is_object(v)) return read_edge(path, key, "edge", v, &e->number);
  json_object_foreach((json_t *)(uintptr_t)v, name, value) {
    size_t i = 0;
    while (i < NAMES && strcmp(names[i].name, name) != 0) i++;
    VW_CHECK(i < NAMES, VW_ERR_UNSUPPORTED, "%s: %s.%s: expected shortest_edge (and longest_edge), or height and width",
             path, key, name);
    VW_TRY(read_edge(path, key, name, value, names[i].edge));
  }
  return VW_OK;
}

static vw_status read_size(const char *path, const json_t *config, vw_preprocess *p) {
  const json_t *v = json_object_get(config, "size");
  edges e;
  if (!v || json_is_null(v)) return VW_OK;
  VW_TRY(read_edges(path, "size", v, &e));
  const bool edge = e.shortest || e.longest, exact = e.height || e.width, most = e.max_height || e.max_width;
  VW_CHECK(edge + exact + most + (e.number != 0) == 1 && (!edge || e.shortest) && (!exact || (e.height && e.width)) &&
               (!most || (e.max_height && e.max_width)),
           VW_ERR_UNSUPPORTED, "%s: size: expected shortest_edge (and longest_edge), or height and width, alone", path);
  p->size = e.number ? e.number : e.shortest;
  p->longest = e.longest, p->height = e.height, p->width = e.width;
  p->max_height = e.max_height, p->max_width = e.max_width;
  return VW_OK;
}

/* *crop: the edge of the square that is cut. */
static vw_status read_crop(const char *path, const json_t *config, int64_t *crop) {
  const json_t *v = json_object_get(config, "crop_size");
  edges e;
  if (!v || json_is_null(v)) return VW_OK;
  VW_TRY(read_edges(path, "crop_size", v, &e));
  const bool other = e.shortest || e.longest || e.max_height || e.max_width;
  VW_CHECK(e.number || (e.height && e.width && !other), VW_ERR_UNSUPPORTED,
           "%s: crop_size has not height and width; expected {\"height\": pixels, \"width\": pixels} or a number",
           path);
  VW_CHECK(e.height == e.width, VW_ERR_UNSUPPORTED, "%s: crop_size is not a square", path);
  *crop = e.number ? e.number : e.height;
  return VW_OK;
}

vw_status vw_hub_three(const char *path, const json_t *config, const char *key, bool positive, double out[3]) {
  const json_t *v = json_object_get(config, key);
  if (!v || json_is_null(v)) return VW_OK;
  VW_CHECK(json_is_number(v) || json_array_size(v) == 3, VW_ERR_INPUT, "%s: %s: expected three numbers", path, key);
  for (size_t i = 0; i < 3; i++) {
    const json_t *x = json_is_array(v) ? json_array_get(v, i) : v;
    out[i] = json_number_value(x);
    VW_CHECK(json_is_number(x) && isfinite(out[i]) && (!positive || out[i] > 0), VW_ERR_INPUT,
             "%s: %s[%zu]: expected a %snumber", path, key, i, positive ? "positive " : "");
  }
  return VW_OK;
}

vw_status vw_hub_processor_is(const char *path, const json_t *config, const char *family) {
  static const char *const types[] = {"ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor"};
  static const char *const keys[] = {"image_processor_type", "feature_extractor_type"};
  const size_t n = strlen(family);
  const char *type = NULL;
  for (size_t i = 0; i < 2 && !type; i++) type = json_string_value(json_object_get(config, keys[i]));
  bool known = !type;
  for (size_t i = 0; !known && i < sizeof types / sizeof *types; i++)
    known = !strncmp(type, family, n) && !strcmp(type + n, types[i]);
  VW_CHECK(known, VW_ERR_UNSUPPORTED, "%s: the image processor is '%s', expected %sImageProcessor", path, type, family);
  return VW_OK;
}

/* Settings of other processors, and what transformers 4 and 5 make different things of. */
static vw_status check_kind(const char *path, const json_t *config) {
  static const char *const off[] = {"do_pad", "use_square_size"};
  VW_TRY(vw_hub_processor_is(path, config, "CLIP"));
  for (size_t i = 0; i < 2; i++)
    VW_CHECK(!json_is_true(json_object_get(config, off[i])), VW_ERR_UNSUPPORTED,
             "%s: %s is on; CLIP's pictures are resized and cut", path, off[i]);
  return VW_OK;
}

static vw_status read_filter(const char *path, const json_t *config, vw_preprocess *p) {
  const json_t *v = json_object_get(config, "resample");
  int64_t resample;
  VW_CHECK(!json_is_null(v), VW_ERR_INPUT, "%s: resample is null; transformers refuses it too", path);
  VW_TRY(vw_json_int(path, "", config, "resample", 0, 5, VW_BICUBIC, &resample));
  VW_CHECK(resample != 0, VW_ERR_UNSUPPORTED, "%s: resample is 0 (nearest), expected 1 to 5 (3: bicubic)", path);
  p->filter = (vw_resample)resample;
  return VW_OK;
}

static vw_status read_numbers(const char *path, const json_t *config, vw_preprocess *p) {
  bool rescale, normalise;
  VW_TRY(read_flag(path, config, "do_rescale", &rescale));
  VW_TRY(read_flag(path, config, "do_normalize", &normalise));
  VW_TRY(vw_json_double(path, "", config, "rescale_factor", p->rescale, &p->rescale));
  VW_CHECK(!rescale || !json_is_null(json_object_get(config, "rescale_factor")), VW_ERR_INPUT,
           "%s: rescale_factor is null; transformers refuses it too", path);
  VW_TRY(vw_hub_three(path, config, "image_mean", false, p->mean));
  VW_TRY(vw_hub_three(path, config, "image_std", true, p->std));
  if (!rescale) p->rescale = 1;
  for (int c = 0; c < 3 && !normalise; c++) p->mean[c] = 0, p->std[c] = 1;
  return VW_OK;
}

static vw_status read_settings(const char *path, const json_t *config, int64_t image_size, vw_preprocess *p) {
  int64_t crop = 224;
  bool resize, cut;
  *p = vw_preprocess_clip(224);
  VW_TRY(check_kind(path, config));
  VW_TRY(read_flag(path, config, "do_resize", &resize));
  VW_TRY(read_flag(path, config, "do_center_crop", &cut));
  if (!resize) p->size = 0;
  if (resize) VW_TRY(read_size(path, config, p));
  if (resize) VW_TRY(read_filter(path, config, p));
  if (cut) VW_TRY(read_crop(path, config, &crop));
  VW_TRY(read_numbers(path, config, p));
  p->crop = image_size, p->whole = !cut;
  VW_CHECK(!cut || crop == image_size, VW_ERR_INPUT,
           "%s: crop_size is %" PRId64 ", but vision_config.image_size of config.json is %" PRId64, path, crop,
           image_size);
  VW_CHECK(cut || p->size || !p->height || (p->height == image_size && p->width == image_size), VW_ERR_INPUT,
           "%s: do_center_crop is off and size is %" PRId64 " x %" PRId64
           ", but vision_config.image_size of config.json is %" PRId64,
           path, p->height, p->width, image_size);
  return VW_OK;
}

static bool is_equal(const vw_preprocess *a, const vw_preprocess *b) {
  bool equal = a->size == b->size && a->rescale == b->rescale;
  for (int c = 0; c < 3; c++) equal = equal && a->mean[c] == b->mean[c] && a->std[c] == b->std[c];
  return equal;
}

/* Before, of `config`'s kind preprocessor_config.json (`old`; NULL: none) alone was read, and of its sizes the shortest
 * edge. */
static bool reads_otherwise(const json_t *config, const json_t *old, const char *old_path, const vw_preprocess *p) {
  vw_preprocess before = vw_preprocess_clip(p->crop);
  if (p->whole || p->longest || !p->size || p->size < p->crop || p->filter != VW_BICUBIC) return true;
  if (json_is_null(json_object_get(config, "do_rescale")) || json_is_null(json_object_get(config, "do_normalize")))
    return true; /* was on */
  if (old && read_settings(old_path, old, p->crop, &before) != VW_OK) {
    vw_error_clear();
    return true;
  }
  return !is_equal(&before, p);
}

vw_status vw_hub_pictures_read(const char *folder, int64_t image_size, vw_preprocess *p, bool *reread) {
  char path[VW_PATH_BYTES], old_path[VW_PATH_BYTES];
  json_t *whole = NULL, *old = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(path, "%s/processor_config.json", folder));
  VW_TRY(vw_path_format(old_path, "%s/preprocessor_config.json", folder));
  *p = vw_preprocess_clip(image_size);
  *reread = false;
  VW_GOTO(vw_json_read_optional(path, &whole));
  VW_GOTO(vw_json_read_optional(old_path, &old));
  const json_t *nested = json_object_get(whole, "image_processor");
  const bool from_old = !nested || json_is_null(nested);
  if (!from_old && !json_is_object(nested))
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: image_processor: expected an object", path));
  const json_t *config = from_old ? old : nested;
  if (config) {
    VW_GOTO(read_settings(from_old ? old_path : path, config, image_size, p));
    *reread = reads_otherwise(config, old, old_path, p);
  }
cleanup:
  json_decref(whole), json_decref(old);
  return st;
}
