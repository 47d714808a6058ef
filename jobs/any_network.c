#include "jobs/any_network.h"

#include "core/durable.h"
#include "io/json.h"
#include "networks/owlv2.h"
#include "networks/stable_diffusion.h"

#include <jansson.h>
#include <string.h>

/* The kind of a model directory, by its own files. */
static vw_status kind_of(const char *dir, const vw_network_kind **kind) {
  char path[VW_PATH_BYTES];
  json_t *config = NULL;
  const char *type = NULL;
  *kind = &vw_sd_kind;
  VW_TRY(vw_path_format(path, "%s/model_index.json", dir));
  if (vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/config.json", dir));
  VW_TRY(vw_json_read(path, &config));
  const vw_status st = vw_json_text(path, "", config, "model_type", "clip", &type);
  if (st == VW_OK) *kind = strcmp(type, vw_owlv2_kind.name) != 0 ? &vw_clip_kind : &vw_owlv2_kind;
  json_decref(config);
  return st;
}

vw_status vw_network_open_any(const char *dir, vw_context *ctx, vw_network **n) {
  const vw_network_kind *kind = NULL;
  VW_TRY(kind_of(dir, &kind));
  return kind->open(n, dir, ctx);
}
