#include "tasks/shown.h"

#include "io/pictures/preprocess.h"
#include "tasks/generation/drawn.h"

#include <math.h>
#include <stdlib.h>

vw_status vw_shown_path(const char *folder, int64_t i, char path[VW_PATH_BYTES]) {
  return vw_drawn_picture(folder, "scene", i, path);
}

static int64_t shrunk(int64_t side, int64_t longest) {
  const int64_t n = longest > VW_SHOWN_SIDE ? llround((double)side * VW_SHOWN_SIDE / (double)longest) : side;
  return n > 1 ? n : 1;
}

static vw_status write_small(const vw_image *picture, const char *path) {
  const int64_t longest = picture->height > picture->width ? picture->height : picture->width;
  const int64_t H = shrunk(picture->height, longest), W = shrunk(picture->width, longest);
  uint8_t *rgb = malloc((size_t)(H * W * 3));
  VW_CHECK(rgb, VW_ERR_MEMORY, "%s: out of memory", path);
  vw_status st = vw_resize_bicubic(picture->rgb, picture->height, picture->width, rgb, H, W, true);
  if (st == VW_OK) st = vw_png_write(path, H, W, rgb);
  free(rgb);
  return st;
}

vw_status vw_shown_write(const vw_task_kind *kind, const vw_task_inputs *in, const char *concept) {
  const vw_scene *scene[VW_MOST_SHOWN];
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  int64_t n = 0;
  if (!kind->shown || !in->drawn || !in->pictures || in->pictures->is_counted) return VW_OK;
  VW_TRY(kind->shown(in, concept, scene, &n));
  if (n) VW_TRY(vw_drawn_folder(in, concept, true, folder));
  for (int64_t i = 0; i < n; i++) {
    vw_image picture = {0};
    VW_TRY(vw_shown_path(folder, i, path));
    if (vw_picture_read(in->pictures, &scene[i]->picture, &picture) != VW_OK) {
      vw_error_clear(); /* judging has read it, or said why not; what people look at decides nothing */
      continue;
    }
    const vw_status st = write_small(&picture, path);
    vw_image_free(&picture);
    VW_TRY(st);
  }
  return VW_OK;
}
