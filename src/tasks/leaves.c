#include "tasks/leaves.h"

vw_status vw_write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, const void *data) {
  const vw_value v = vw_find(g, name);
  VW_CHECK(v != VW_NONE, VW_ERR_ARG, "block: the graph has no leaf '%s'", name);
  shape.data = (void *)(uintptr_t)data;
  return vw_program_write(p, v, &shape);
}

vw_status vw_read_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, void *data) {
  shape.data = data;
  return vw_program_read(p, vw_find(g, name), &shape);
}
