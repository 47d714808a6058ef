#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

#include "io/pictures/image_internal.h"

static const char *name_of(VP8StatusCode code) {
  switch (code) {
  case VP8_STATUS_OUT_OF_MEMORY:
    return "out of memory";
  case VP8_STATUS_NOT_ENOUGH_DATA:
    return "the file is cut off";
  case VP8_STATUS_UNSUPPORTED_FEATURE:
    return "of a kind that libwebp does not know";
  default:
    return "the file is damaged";
  }
}

static vw_status refuse(const char *path, VP8StatusCode code) {
  return VW_RAISE(code == VP8_STATUS_OUT_OF_MEMORY ? VW_ERR_MEMORY : VW_ERR_INPUT,
                  "%s: unreadable WebP: %s; replace the file or take it out", path, name_of(code));
}

bool vw_is_webp(const uint8_t *data, int64_t bytes) {
  return bytes >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

/* What the head says, where it may be decoded. */
static vw_status look(const char *path, const uint8_t *data, int64_t bytes, WebPBitstreamFeatures *head) {
  const VP8StatusCode code = WebPGetFeatures(data, (size_t)bytes, head);
  if (code != VP8_STATUS_OK) return refuse(path, code);
  VW_CHECK(!head->has_animation, VW_ERR_INPUT, "%s: a moving WebP of several pictures; convert it or take it out",
           path);
  return vw_image_check_size(path, head->height, head->width);
}

vw_status vw_webp_size(const char *path, const uint8_t *data, int64_t bytes, int64_t *height, int64_t *width) {
  WebPBitstreamFeatures head;
  VW_TRY(look(path, data, bytes, &head));
  *height = head.height, *width = head.width;
  return VW_OK;
}

/* Into `to` of `channels` (3 or 4) bytes a pixel. */
static vw_status decode_into(const char *path, const uint8_t *data, int64_t bytes, int channels, uint8_t *to) {
  WebPDecoderConfig config;
  VW_CHECK(WebPInitDecoderConfig(&config), VW_ERR_UNSUPPORTED, "%s: libwebp is another than its header", path);
  VP8StatusCode code = WebPGetFeatures(data, (size_t)bytes, &config.input);
  if (code != VP8_STATUS_OK) return refuse(path, code);
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = to;
  config.output.u.RGBA.stride = config.input.width * channels;
  config.output.u.RGBA.size = (size_t)config.input.width * (size_t)config.input.height * (size_t)channels;
  code = WebPDecode(data, (size_t)bytes, &config);
  WebPFreeDecBuffer(&config.output);
  return code == VP8_STATUS_OK ? VW_OK : refuse(path, code);
}

vw_status vw_webp_decode(const char *path, const uint8_t *data, int64_t bytes, bool on_white, vw_image *out) {
  WebPBitstreamFeatures head;
  VW_TRY(look(path, data, bytes, &head));
  VW_TRY(vw_image_allocate(path, head.height, head.width, out));
  if (!head.has_alpha || !on_white) return decode_into(path, data, bytes, 3, out->rgb);
  uint8_t *rgba = malloc((size_t)(out->height * out->width) * 4);
  VW_CHECK(rgba, VW_ERR_MEMORY, "%s: out of memory", path);
  const vw_status st = decode_into(path, data, bytes, 4, rgba);
  if (st == VW_OK) vw_image_lay_on_white(rgba, out);
  free(rgba);
  return st;
}
