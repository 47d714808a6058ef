#include "networks/network.h"

vw_status vw_network_unchanged(const vw_network *n) {
  vw_safetensors *f = NULL;
  for (int64_t i = 0; (f = n->kind->file(n, i)); i++) VW_TRY(vw_safetensors_unchanged(f));
  return VW_OK;
}
