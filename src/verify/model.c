/* `verify MODEL_DIR --reference FILE`: a model directory against what the reference implementation computed with it
 * (tests/reference/verify.py). Every stage starts from the reference's inputs, so that a row of the table points at one
 * stage. */
#include "verify/verify.h"

#include "core/text.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the reference file ------------------------------------------------------------------------------------------ */

static bool shape_fits(const vw_tensor *t, const vw_tensor *want) {
  if (t->dtype != want->dtype || t->ndim != want->ndim) return false;
  for (int i = 0; i < t->ndim; i++)
    if (t->dim[i] < 1 || (want->dim[i] >= 0 && t->dim[i] != want->dim[i])) return false;
  return true;
}

vw_status vw_reference_tensor(const vw_verification *v, const char *name, vw_tensor shape, vw_tensor *out) {
  VW_TRY(vw_safetensors_find(v->file, name, out));
  VW_CHECK(shape_fits(out, &shape), VW_ERR_INPUT,
           "%s: tensor '%s' is %s %s; expected %s %s (-1: any): was the file made from this model directory?",
           vw_safetensors_path(v->file), name, vw_dtype_name(out->dtype), vw_shape_text(out),
           vw_dtype_name(shape.dtype), vw_shape_text(&shape));
  return VW_OK;
}

vw_status vw_reference_indices(const vw_verification *v, const char *name, vw_tensor shape, int64_t below,
                               vw_tensor *out) {
  VW_TRY(vw_reference_tensor(v, name, shape, out));
  for (int64_t i = 0; i < vw_count(out); i++)
    VW_CHECK(vw_i32(out)[i] >= 0 && vw_i32(out)[i] < below, VW_ERR_INPUT,
             "%s: tensor '%s' holds %d; expected 0 to %" PRId64 ": was the file made from this model directory?",
             vw_safetensors_path(v->file), name, vw_i32(out)[i], below - 1);
  return VW_OK;
}

vw_status vw_reference_texts(vw_verification *v, const char *name, vw_names *texts) {
  char end_name[64];
  vw_tensor bytes, end;
  (void)snprintf(end_name, sizeof end_name, "%s.end", name);
  VW_TRY(vw_reference_tensor(v, name, vw_shape(VW_U8, -1), &bytes));
  VW_TRY(vw_reference_tensor(v, end_name, vw_shape(VW_I64, -1), &end));
  texts->n = end.dim[0];
  texts->name = vw_pool_take(&v->pool, (size_t)texts->n * sizeof *texts->name);
  VW_CHECK(texts->name, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0, at = 0; i < texts->n; at = vw_i64(&end)[i++]) {
    const int64_t length = vw_i64(&end)[i] - at;
    VW_CHECK(vw_i64(&end)[i] >= at && vw_i64(&end)[i] <= bytes.dim[0] &&
                 !memchr((char *)bytes.data + at, 0, (size_t)length),
             VW_ERR_INPUT, "%s: tensor '%s': entry %" PRId64 " is not the end of a text", vw_safetensors_path(v->file),
             end_name, i);
    texts->name[i] = vw_pool_text(&v->pool, (char *)bytes.data + at, length);
    VW_CHECK(texts->name[i], VW_ERR_MEMORY, "verify: out of memory");
  }
  return VW_OK;
}

vw_status vw_reference_number(const vw_verification *v, const char *key, double *x) {
  const json_t *value = json_object_get(v->about, key);
  VW_CHECK(json_is_number(value), VW_ERR_INPUT, "%s: metadata 'json' has no number '%s'", vw_safetensors_path(v->file),
           key);
  *x = json_number_value(value);
  return VW_OK;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static double limit_of(const vw_verification *v, vw_limit limit) {
  const bool exact = v->ctx.backend == VW_REF;
  switch (limit) {
  case VW_LIMIT_SAME:
    return 0;
  case VW_LIMIT_PIXEL:
    return (1.0 + 1e-3) / 255; /* theirs lie in fp32, a difference of one level is some 1e-7 more or less than that */
  case VW_LIMIT_OUTPUT:
    return exact ? 1e-8 : 1e-4;
  case VW_LIMIT_GRADIENT:
    return exact ? 1e-8 : 1e-3;
  }
  return 0;
}

vw_status vw_compare(vw_verification *v, const char *what, const double *got, const double *expected, int64_t n,
                     double scale, vw_limit limit) {
  double largest = 0, size = scale;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(got[i] - expected[i]);
    largest = d > largest || isnan(d) ? d : largest; /* NaN stays: no comparison with it is true */
    if (isnan(largest)) break;
    if (fabs(expected[i]) > size) size = fabs(expected[i]);
  }
  const double relative = size > 0 ? largest / size : largest, most = limit_of(v, limit);
  const bool ok = relative <= most;
  v->beyond += !ok;
  json_t *row = json_pack("{s:s, s:I, s:o?, s:o?, s:f, s:b}", "what", what, "values", (json_int_t)n, "largest",
                          json_real(largest), "relative", json_real(relative), "limit", most, "ok", ok);
  VW_CHECK(row && !json_array_append_new(v->rows, row), VW_ERR_MEMORY, "verify: out of memory");
  return VW_OK;
}

vw_status vw_compare_output(vw_verification *v, const char *name, const double *got, vw_tensor shape, double scale,
                            vw_limit limit) {
  const int64_t n = vw_count(&shape), kept = (n + v->stride - 1) / v->stride;
  vw_tensor expected;
  shape.dtype = VW_F64;
  VW_TRY(vw_reference_tensor(v, name, v->stride > 1 ? vw_shape(VW_F64, kept) : shape, &expected));
  if (v->stride == 1) return vw_compare(v, name, got, vw_f64(&expected), n, scale, limit);
  double *some = malloc((size_t)kept * sizeof *some);
  VW_CHECK(some, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; i < kept; i++) some[i] = got[i * v->stride];
  const vw_status st = vw_compare(v, name, some, vw_f64(&expected), kept, scale, limit);
  free(some);
  return st;
}

static void print_table(const vw_verification *v, const char *dir) {
  size_t i;
  const json_t *row;
  const char *made = vw_safetensors_metadata(v->file, "made_with");
  (void)vw_print(stdout, "%s (%s) against %s (%s)\n\n%-24s %10s  %9s  %9s  %9s\n", dir, vw_backend_name(v->ctx.backend),
                 vw_safetensors_path(v->file), made ? made : "unknown versions", "", "values", "largest", "relative",
                 "limit");
  json_array_foreach(v->rows, i, row) {
    const json_t *largest = json_object_get(row, "largest"), *relative = json_object_get(row, "relative");
    (void)vw_print(stdout, "%-24s %10" JSON_INTEGER_FORMAT "  %9.2e  %9.2e  %9.2e%s\n",
                   json_string_value(json_object_get(row, "what")), json_integer_value(json_object_get(row, "values")),
                   json_is_real(largest) ? json_real_value(largest) : NAN,
                   json_is_real(relative) ? json_real_value(relative) : NAN,
                   json_real_value(json_object_get(row, "limit")),
                   json_is_true(json_object_get(row, "ok")) ? "" : "  BEYOND");
  }
  (void)vw_print(stdout, "\n%zu comparisons, %" PRId64 " beyond their limit\n", json_array_size(v->rows), v->beyond);
}

static vw_status print_json(const vw_verification *v, const char *dir) {
  json_t *all = json_pack("{s:o, s:o, s:s, s:O, s:I}", "model", vw_json_name(dir), "reference",
                          vw_json_name(vw_safetensors_path(v->file)), "backend", vw_backend_name(v->ctx.backend),
                          "rows", v->rows, "beyond", (json_int_t)v->beyond);
  VW_CHECK(all, VW_ERR_MEMORY, "verify: out of memory");
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
  return VW_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* What a file may be of, and who compares it. */
typedef struct reference_kind {
  const char *name;
  vw_status (*compare)(vw_verification *v, const char *dir);
} reference_kind;

static vw_status compare_clip(vw_verification *v, const char *dir) {
  VW_TRY(vw_clip_network_open(&v->network, dir, &v->ctx));
  const vw_status st = vw_verify_classification(v);
  vw_clip_network_close(v->network);
  return st;
}

static vw_status compare_owlv2(vw_verification *v, const char *dir) {
  VW_TRY(vw_owlv2_network_open(&v->owl, dir, &v->ctx));
  v->network = &v->owl->clip;
  const vw_status st = vw_verify_detection(v);
  vw_owlv2_network_close(v->owl);
  return st;
}

static vw_status compare_diffusion(vw_verification *v, const char *dir) {
  VW_TRY(vw_sd_network_open(&v->sd, dir, &v->ctx));
  const vw_status st = vw_verify_diffusion(v);
  vw_sd_network_close(v->sd);
  return st;
}

static const reference_kind kinds[] = {
    {"clip", compare_clip}, {"owlv2", compare_owlv2}, {"stable-diffusion", compare_diffusion}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static vw_status open_reference(vw_verification *v, const char *path, const reference_kind **of) {
  VW_TRY(vw_safetensors_open(&v->file, path));
  const char *format = vw_safetensors_metadata(v->file, "format"), *about = vw_safetensors_metadata(v->file, "json");
  VW_CHECK(format && about && !strcmp(format, "viswords-reference 1"), VW_ERR_INPUT,
           "%s: expected a file of tests/reference/verify.py (metadata 'format' is not 'viswords-reference 1')", path);
  v->about = json_loads(about, 0, NULL);
  const char *kind = json_string_value(json_object_get(v->about, "kind"));
  *of = NULL;
  for (int i = 0; kind && i < KINDS; i++)
    if (!strcmp(kind, kinds[i].name)) *of = &kinds[i];
  VW_CHECK(*of, VW_ERR_INPUT, "%s: metadata 'json': kind '%s'; expected 'clip', 'owlv2' or 'stable-diffusion'", path,
           kind ? kind : "");
  return VW_OK;
}

vw_status vw_verify_model(const char *dir, const char *reference, vw_backend backend, int threads, bool json,
                          int64_t *beyond) {
  vw_verification v = {.rows = json_array(), .stride = 1};
  const reference_kind *kind = NULL;
  vw_status st = VW_OK;
  VW_CHECK(v.rows, VW_ERR_MEMORY, "verify: out of memory");
  VW_GOTO(vw_context_open(&v.ctx, backend, threads, 0));
  VW_GOTO(open_reference(&v, reference, &kind));
  VW_GOTO(kind->compare(&v, dir));
  if (json)
    VW_GOTO(print_json(&v, dir));
  else
    print_table(&v, dir);
  *beyond = v.beyond;
cleanup:
  vw_safetensors_close(v.file);
  if (v.ctx.threads) vw_context_close(&v.ctx);
  json_decref(v.rows), json_decref(v.about);
  vw_pool_fini(&v.pool);
  return st;
}
