#include "networks/network.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_network_unchanged(const vw_network *n) {
  vw_safetensors *f = NULL;
  for (int64_t i = 0; (f = n->kind->file(n, i)); i++) VW_TRY(vw_safetensors_unchanged(f));
  return VW_OK;
}

vw_status vw_network_cut(vw_network *n, int64_t layers, vw_network **view) {
  const int64_t all = n->text.tower.t.layers;
  *view = NULL;
  VW_CHECK(n->kind->bytes, VW_ERR_UNSUPPORTED, "%s: networks of kind %s have no text encoder to cut", n->dir,
           n->kind->name);
  VW_CHECK(layers >= 0 && layers <= all, VW_ERR_ARG, "%s: the text encoder has %" PRId64 " layers, not %" PRId64,
           n->dir, all, layers);
  vw_network *v = malloc(n->kind->bytes);
  VW_CHECK(v, VW_ERR_MEMORY, "%s: out of memory", n->dir);
  memcpy(v, n, n->kind->bytes);
  v->text.tower.t.layers = layers, v->is_cut = true;
  *view = v;
  return VW_OK;
}

void vw_network_uncut(vw_network *view) {
  free(view);
}
