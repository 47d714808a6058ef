#include "learn/rates.h"

#include "core/durable.h"
#include "kernels/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "AMD EPYC 7763 64-Core Processor"; "" where the system does not say. */
static void processor(char *text, size_t bytes) {
  char line[512];
  FILE *f = fopen("/proc/cpuinfo", "re");
  text[0] = 0;
  while (f && !text[0] && fgets(line, sizeof line, f)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    (void)snprintf(text, bytes, "%s", colon + 1 + strspn(colon + 1, " \t"));
    text[strcspn(text, "\n")] = 0;
  }
  if (f) (void)fclose(f);
}

void vw_rates_parse(vw_rates *r, const char *text, int64_t bytes) {
  json_t *all = json_loadb(text, (size_t)bytes, 0, NULL);
  const json_t *list = json_object_get(all, "rates");
  r->product = json_number_value(json_object_get(all, "product_flops_per_second"));
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *e = json_array_get(list, i);
    const char *kind = json_string_value(json_object_get(e, "kind")),
               *hi = json_string_value(json_object_get(e, "shape"));
    const double flops = json_number_value(json_object_get(e, "flops")),
                 seconds = json_number_value(json_object_get(e, "seconds"));
    vw_hash shape;
    char end = 0;
    if (!kind || !hi || !(seconds > 0) || !(flops > 0)) continue;
    if (sscanf(hi, "%16lx%16lx%c", &shape.hi, &shape.lo, &end) != 2) continue;
    if (vw_rates_put(r, kind, shape, flops, seconds) != VW_OK) vw_error_clear();
  }
  json_decref(all);
  r->changed = false;
}

vw_status vw_rates_open(vw_rates *r, const vw_context *ctx, const char *cache) {
  char cpu[256], kernels[128], machine[768], text[VW_HASH_TEXT];
  char *contents = NULL;
  int64_t bytes = 0;
  *r = (vw_rates){0};
  processor(cpu, sizeof cpu);
  vw_kernel_set(ctx, kernels);
  (void)snprintf(machine, sizeof machine, "%s, %s, %s, %s, %d threads", cpu, vw_backend_name(ctx->backend), kernels,
                 vw_precision_name(ctx), ctx->threads);
  vw_hash_text(vw_hash_bytes(machine, strlen(machine)), text);
  r->machine = strdup(machine);
  if (asprintf(&r->path, "%s/rates/%s.json", cache, text) < 0) r->path = NULL;
  if (!r->machine || !r->path) {
    vw_rates_close(r);
    return VW_RAISE(VW_ERR_MEMORY, "no memory for rates");
  }
  if (!vw_file_exists(r->path)) return VW_OK;
  if (vw_file_read(r->path, &contents, &bytes) == VW_OK)
    vw_rates_parse(r, contents, bytes);
  else
    vw_error_clear();
  free(contents);
  return VW_OK;
}

void vw_rates_close(vw_rates *r) {
  free(r->path), free(r->machine), free(r->item);
  *r = (vw_rates){0};
}

static vw_rate *find(const vw_rates *r, const char *kind, vw_hash shape) {
  for (int64_t i = 0; i < r->n; i++)
    if (!strcmp(r->item[i].kind, kind) && r->item[i].shape.lo == shape.lo && r->item[i].shape.hi == shape.hi)
      return &r->item[i];
  return NULL;
}

vw_status vw_rates_put(vw_rates *r, const char *kind, vw_hash shape, double flops, double seconds) {
  vw_rate *rate = find(r, kind, shape);
  if (!rate) {
    vw_rate *grown = realloc(r->item, (size_t)(r->n + 1) * sizeof *grown);
    VW_CHECK(grown, VW_ERR_MEMORY, "no memory for rates");
    r->item = grown;
    rate = &r->item[r->n++];
  }
  *rate = (vw_rate){.shape = shape, .flops = flops, .seconds = seconds};
  (void)snprintf(rate->kind, sizeof rate->kind, "%s", kind);
  r->changed = true;
  return VW_OK;
}

vw_status vw_rates_save(vw_rates *r) {
  char text[VW_HASH_TEXT];
  if (!r->changed) return VW_OK;
  char *folder = strdup(r->path);
  VW_CHECK(folder, VW_ERR_MEMORY, "no memory for rates");
  *strrchr(folder, '/') = 0;
  vw_status st = vw_folder_make(folder);
  free(folder);
  VW_TRY(st);
  json_t *list = json_array();
  for (int64_t i = 0; i < r->n; i++) {
    vw_hash_text(r->item[i].shape, text);
    json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f}", "kind", r->item[i].kind, "shape", text, "flops",
                                          r->item[i].flops, "seconds", r->item[i].seconds));
  }
  json_t *all =
      json_pack("{s:s, s:f, s:o}", "machine", r->machine, "product_flops_per_second", r->product, "rates", list);
  char *contents = json_dumps(all, JSON_INDENT(1));
  json_decref(all);
  VW_CHECK(contents, VW_ERR_MEMORY, "no memory for rates");
  st = vw_file_write(r->path, contents, (int64_t)strlen(contents));
  free(contents);
  if (st == VW_OK) r->changed = false;
  return st;
}

vw_rate_source vw_rates_seconds(const vw_rates *r, const char *kind, vw_hash shape, double flops, double *seconds) {
  const vw_rate *rate = find(r, kind, shape), *near = NULL;
  *seconds = 0;
  if (rate) {
    *seconds = rate->seconds;
    return VW_RATE_MEASURED;
  }
  for (int64_t i = 0; i < r->n; i++) {
    const vw_rate *other = &r->item[i];
    if (strcmp(other->kind, kind) != 0) continue;
    if (!near || fabs(log(other->flops / flops)) < fabs(log(near->flops / flops))) near = other;
  }
  if (near) {
    *seconds = near->seconds * flops / near->flops;
    return VW_RATE_SCALED;
  }
  if (r->product <= 0) return VW_RATE_UNKNOWN;
  *seconds = flops / r->product;
  return VW_RATE_ESTIMATE;
}

const char *vw_rate_source_name(vw_rate_source s) {
  static const char *const names[] = {"measured", "scaled", "estimate", "unknown"};
  return names[s];
}
