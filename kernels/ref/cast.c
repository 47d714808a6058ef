/* cast, by definition: element by element, rounded to nearest even where the type is narrower. */
#include "kernels/cast.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  return vw_convert(c->out[0].data, c->out[0].dtype, c->in[0].data, c->in[0].dtype, vw_count(&c->in[0]));
}

const vw_kernel cast_ref = {.run = run};
