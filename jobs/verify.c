/* `verify`: a model directory against the reference implementation (src/verify/model.c), or every checksum of an
 * output directory. Only looks; works beside a running study. */
#include "verify/verify.h"
#include "core/durable.h"
#include "core/text.h"
#include "io/block_file.h"
#include "io/json.h"
#include "io/manifest.h"
#include "io/safetensors.h"
#include "jobs/session.h"
#include "study/plan.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct findings {
  int64_t checked;
  json_t *bad; /* of {"file", "problem", "do"} */
} findings;

/* Keeps a failure with the way out. */
static vw_status note(findings *f, const char *path, const char *way_out, vw_status st) {
  f->checked++;
  if (st == VW_OK) return VW_OK;
  if (st == VW_ERR_MEMORY) return st;
  const int failed = json_array_append_new(
      f->bad, json_pack("{s:o, s:s, s:s}", "file", vw_json_name(path), "problem", vw_error_message(), "do", way_out));
  vw_error_clear();
  return failed ? VW_RAISE(VW_ERR_MEMORY, "verify: out of memory") : VW_OK;
}

static vw_status verify_tensors(const char *path) {
  vw_safetensors *file;
  VW_TRY(vw_safetensors_open(&file, path));
  const vw_status st = vw_safetensors_verify(file);
  vw_safetensors_close(file);
  return st;
}

/* What a file below blocks/ is, by its name; NULL: one that is being written, or not ours. */
static const char *way_out_of(const char *name) {
  const char *end = strrchr(name, '.');
  if (strstr(name, ".partial-")) return NULL;
  if (end && !strcmp(end, ".safetensors")) return "delete it; the command of the study makes it again";
  if (end && (!strcmp(end, ".a") || !strcmp(end, ".b"))) return "delete it; the checkpoint before is used";
  return NULL;
}

/* A file that a run took away meanwhile is no finding. */
static vw_status verify_block(void *user, const char *name, const char *path) {
  const char *way_out = way_out_of(name);
  if (!way_out) return VW_OK;
  const vw_status st = verify_tensors(path);
  if (st == VW_OK || vw_file_exists(path)) return note(user, path, way_out, st);
  vw_error_clear();
  return VW_OK;
}

static vw_status verify_directory(findings *f, const char *dir) {
  char path[VW_PATH_BYTES];
  vw_plan *plan = NULL;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", dir));
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT, "%s: has no plan.yaml; expected the output directory of a study", dir);
  const vw_status st = vw_plan_load(path, &plan);
  vw_plan_destroy(plan);
  VW_TRY(note(f, path, "put back a copy: without it nobody knows which trials the blocks hold", st));
  VW_TRY(vw_block_files_visit(dir, verify_block, f));
  VW_TRY(vw_path_format(path, "%s/study.h5", dir));
  if (!vw_file_exists(path)) return VW_OK;
  return note(f, path, "run `viswords collect`", vw_manifest_verify(path));
}

static void print_findings(const findings *f, const char *dir, bool json) {
  size_t i;
  json_t *bad;
  if (json) {
    json_t *all =
        json_pack("{s:o, s:I, s:O}", "dir", vw_json_name(dir), "checked", (json_int_t)f->checked, "bad", f->bad);
    (void)vw_json_print(all, JSON_INDENT(1), stdout);
    (void)vw_print(stdout, "\n");
    json_decref(all);
    return;
  }
  json_array_foreach(f->bad, i, bad)(void)
      vw_print(stdout, "%s\n  %s\n", json_string_value(json_object_get(bad, "problem")),
               json_string_value(json_object_get(bad, "do")));
  (void)vw_print(stdout, "%s: %lld files checked, %lld bad\n", dir, (long long)f->checked,
                 (long long)json_array_size(f->bad));
}

static vw_status verify_files(const char *dir, bool json, bool *differs) {
  findings f = {.bad = json_array()};
  const vw_status st = verify_directory(&f, dir);
  if (st == VW_OK) print_findings(&f, dir, json);
  *differs = json_array_size(f.bad) > 0;
  json_decref(f.bad);
  return st;
}

static vw_status verify_reference(const char *dir, const char *reference, const char *backend, int64_t threads,
                                  bool json, bool *differs) {
  vw_backend b = VW_CPU;
  int64_t beyond = 0;
  VW_TRY(vw_backend_named(backend, &b));
  if (threads < 1) threads = sysconf(_SC_NPROCESSORS_ONLN);
  VW_TRY(vw_verify_model(dir, reference, b, (int)threads, json, &beyond));
  *differs = beyond > 0;
  return VW_OK;
}

int vw_job_verify(int argc, char **argv) {
  const char *positional[1], *reference = NULL, *backend = "auto";
  int64_t threads = 0;
  bool json = false, files = false, differs = false;
  const vw_option options[] = {
      {"reference", 'r', VW_OPT_STRING, &reference, "FILE",
       "compare MODEL_DIR with a file of tests/reference/verify.py"},
      {"backend", 'b', VW_OPT_STRING, &backend, "NAME", "with --reference: auto, ref (double, slow), cpu, cuda"},
      {"threads", 't', VW_OPT_COUNT, &threads, "N", "with --reference; default: all cores"},
      {"files", 0, VW_OPT_FLAG, &files, NULL, "compare every checksum of an output directory"},
      {"json", 0, VW_OPT_FLAG, &json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {
      "verify",
      "MODEL_DIR --reference FILE | --files DIR [--json]",
      "Compares a model directory with what transformers or diffusers computed with it (tests/reference/verify.py "
      "MODEL_DIR -o FILE). CLIP: tokens, pixels, states by layer, features, logits, word gradient, ten steps of both "
      "optimisers. OWL-v2: the same, boxes, objectness and matching. Stable Diffusion: tokens, states, moments, "
      "picture, prediction, word gradient, steps of both "
      "samplers. Or checks plan.yaml, every block file and checkpoint, and study.h5 of an output directory against "
      "their checksums. Only "
      "looks; works beside a running study. Exit code 3: a difference beyond its limit, or a damaged file.",
      options,
      names,
      1,
      1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  vw_status st;
  if (files == (reference != NULL))
    st = VW_RAISE(VW_ERR_ARG, "verify: say what to verify: MODEL_DIR --reference FILE, or --files DIR");
  else if (files)
    st = verify_files(positional[0], json, &differs);
  else
    st = verify_reference(positional[0], reference, backend, threads, json, &differs);
  return st != VW_OK ? vw_report(st) : differs ? VW_EXIT_DIFFERS : VW_EXIT_OK;
}
