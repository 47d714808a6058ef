#include "tests/support/program.h"

#include <stdlib.h>

void vw_test_write(vw_program *p, const vw_graph *g, const char *name, uint64_t seed) {
  vw_tensor t = vw_value_tensor(g, vw_find(g, name));
  double *x = malloc((size_t)vw_count(&t) * sizeof *x);
  assert_non_null(x);
  vw_test_fill(x, vw_count(&t), seed);
  t.dtype = VW_F64, t.data = x;
  assert_ok(vw_program_write(p, vw_find(g, name), &t));
  free(x);
}

void vw_test_read(vw_program *p, const vw_graph *g, const char *name, double *to) {
  vw_tensor t = vw_value_tensor(g, vw_find(g, name));
  t.dtype = VW_F64, t.data = to;
  assert_ok(vw_program_read(p, vw_find(g, name), &t));
}
