/* `bench`: chooses what is measured (src/bench), prints it as JSON. */
#include "jobs/bench.h"

#include "core/durable.h"
#include "kernels/algorithms.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_options {
  const char *trials, *variant, *points;
  vw_bench_gpu_options gpu;
  vw_bench_reference reference;
} bench_options;

/* WHAT MODEL_DIR [TEXTS|PICTURES] */
static vw_status run(vw_bench *b, const char *const *positional, const bench_options *o) {
  const char *what = positional[0], *dir = positional[1], *data = positional[2];
  const bool tokenizer = !strcmp(what, "tokenizer"), pictures = !strcmp(what, "preprocess"),
             load = !strcmp(what, "load"), gpu = !strcmp(what, "gpu");
  const bool sd = !strcmp(what, "sd"), owl = !strcmp(what, "owl"), precision = !strcmp(what, "precision"),
             tsne = !strcmp(what, "tsne");
  VW_CHECK(tokenizer || pictures || load || gpu || sd || owl || precision || tsne || !strcmp(what, "clip"), VW_ERR_ARG,
           "bench '%s': choose clip, gpu, load, owl, precision, preprocess, queue, sd, study, tokenizer or tsne", what);
  VW_CHECK(dir, VW_ERR_ARG, "bench %s: expected a file or folder behind it", what);
  VW_CHECK((tokenizer || pictures) == (data != NULL), VW_ERR_ARG, "bench %s: expected %s", what,
           tokenizer   ? "MODEL_DIR TEXTS_FILE"
           : pictures  ? "MODEL_DIR PICTURES_FOLDER"
           : precision ? "BOXES_FILE alone"
           : tsne      ? "POINTS_FILE alone"
                       : "MODEL_DIR alone");
  if (tsne) return vw_bench_tsne(b, dir, o->points);
  if (precision) return vw_bench_precision(b, dir);
  if (owl) return vw_bench_owl(b, dir, o->trials ? o->trials : "1,16,64", o->gpu.only);
  if (sd) vw_algorithms_time(&b->ctx, o->gpu.timed);
  if (sd) return vw_bench_sd(b, dir, o->gpu.pictures ? o->gpu.pictures : "1,4", o->gpu.only);
  VW_TRY(vw_clip_network_open(&b->n, dir, &b->ctx));
  if (tokenizer) return vw_bench_tokenizer(b, dir, data);
  if (pictures) return vw_bench_preprocess(b, dir, data);
  if (gpu) return vw_bench_gpu(b, dir, &o->gpu);
  return load ? vw_bench_load(b, dir) : vw_bench_clip(b, dir, o->trials ? o->trials : "1,16,64,256", o->variant);
}

vw_status vw_bench_end(json_t *all, const char *name, bool json, const vw_bench_reference *reference, int64_t *slower) {
  vw_ranks here;
  vw_status st = VW_OK;
  *slower = 0;
  vw_ranks_single(&here);
  json_object_set_new(all, "bench", json_string(name)), json_object_set_new(all, "host", json_string(here.host));
  char *text = json_dumps(all, JSON_INDENT(1));
  if (!text) st = VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
  if (text && json) (void)fputs(text, stdout), (void)fputc('\n', stdout);
  if (text && reference->save) st = vw_file_write(reference->save, text, (int64_t)strlen(text));
  if (st == VW_OK && reference->against)
    st = vw_bench_against(all, name, here.host, reference->against, reference->tolerance, slower);
  free(text);
  json_decref(all);
  return st;
}

static vw_status end(const vw_bench *b, const char *name, const vw_bench_reference *reference, int64_t *slower) {
  char kernels[128];
  vw_kernel_set(&b->ctx, kernels);
  json_t *all = b->head ? json_incref(b->head)
                        : json_pack("{s:f, s:s, s:i, s:s, s:s}", "sgemm_gflops", 1e-9 * b->sgemm, "sgemm_by",
                                    b->sgemm_is_own ? "viswords" : "OpenBLAS", "threads", b->ctx.threads, "kernels",
                                    kernels, "precision", vw_precision_name(&b->ctx));
  json_object_set(all, b->head ? "networks" : "rows", b->rows);
  return vw_bench_end(all, name, b->json, reference, slower);
}

/* Opens the backend (the default: cuda for `gpu`, else cpu), runs, prints. */
static vw_status open_and_run(vw_bench *b, const char *const *positional, const char *backend_name, int64_t threads,
                              const char *cache, const bench_options *o, int64_t *slower) {
  char folder[VW_PATH_BYTES];
  vw_backend backend = VW_CPU;
  if (!backend_name) backend_name = !strcmp(positional[0], "gpu") ? "cuda" : "cpu";
  VW_TRY(vw_backend_named(backend_name, &backend));
  VW_TRY(vw_context_open(&b->ctx, backend, (int)threads, 0));
  b->rows = json_array();
  vw_status st = vw_precision_named(b->precision ? b->precision : "auto", &b->ctx);
  if (st == VW_OK) st = vw_cache_folder(cache, "", folder);
  if (st == VW_OK) st = vw_rates_open(&b->rates, &b->ctx, folder);
  if (st == VW_OK) st = run(b, positional, o);
  if (st == VW_OK) st = vw_rates_save(&b->rates);
  vw_rates_close(&b->rates);
  if (st == VW_OK) st = end(b, positional[0], &o->reference, slower);
  json_decref(b->rows), json_decref(b->head);
  vw_clip_network_close(b->n);
  vw_context_close(&b->ctx);
  return st;
}

int vw_job_bench(int argc, char **argv) {
  vw_bench b = {.seconds = 3};
  bench_options o = {.reference.tolerance = 0.1};
  int64_t threads = 0, slower = 0;
  const char *positional[3], *backend = NULL, *cache = NULL;
  const vw_option options[] = {
      {"trials", 0, VW_OPT_STRING, &o.trials, "LIST",
       "clip, gpu, owl: trials in a batch (default 1,16,64,256; gpu: also 1024,1600; owl: to 64)"},
      {"variant", 0, VW_OPT_STRING, &o.variant, "NAME", "clip: plain, pooled or cached; default: all"},
      {"pictures", 0, VW_OPT_STRING, &o.gpu.pictures, "LIST",
       "gpu, sd: pictures in a batch (default 1,16,64,256; sd: 1,4)"},
      {"only", 0, VW_OPT_STRING, &o.gpu.only, "NAME",
       "gpu: ceilings, text or image; owl: picture, step or judge; sd: unet, word, encode or decode; default: all"},
      {"order", 0, VW_OPT_INT, &o.gpu.order, "N",
       "gpu, sd: order of the products that give the ceilings (default 8192; cpu 2048, ref 128)"},
      {"timed", 0, VW_OPT_FLAG, &o.gpu.timed, NULL,
       "gpu, sd: on cuda, time the algorithms for each call first, as studies with plan.algorithms: timed"},
      {"points", 0, VW_OPT_STRING, &o.points, "FILE", "tsne: gets where the points end, as safetensors"},
      {"seconds", 0, VW_OPT_DOUBLE, &b.seconds, "S",
       "time for each row (default 3); clip, owl, sd: what takes longer alone runs once"},
      {"settle", 0, VW_OPT_FLAG, &b.settle, NULL,
       "gpu, owl, sd: end a row when the last third of its runs is within 1 % of the third before; --seconds at most"},
      {"threads", 't', VW_OPT_COUNT, &threads, "N", "threads (default 1; study: as a run)"},
      {"backend", 'b', VW_OPT_STRING, &backend, "NAME", "ref, cpu or cuda (default cpu; gpu: cuda)"},
      {"precision", 0, VW_OPT_STRING, &b.precision, "NAME", "of cuda: auto (mixed), fp32, tf32, mixed, bf16"},
      {"cache", 0, VW_OPT_STRING, &cache, "DIR",
       "where rates are left for 'viswords plan'; default: ~/.cache/viswords"},
      {"ops", 0, VW_OPT_FLAG, &b.ops, NULL, "clip, owl, sd: time by op of one step"},
      {"kernels", 0, VW_OPT_FLAG, &b.kernels, NULL,
       "sd: each distinct call against this device's ceilings, as gpu does"},
      {"segments", 0, VW_OPT_COUNT, &b.segments, "N",
       "sd: recompute the word step's forward pass in N segments on the way back (default 1: all is kept)"},
      {"count", 0, VW_OPT_FLAG, &b.count, NULL, "sd: bytes and operations by op alone; nothing runs"},
      {"json", 0, VW_OPT_FLAG, &b.json, NULL, "as JSON"},
      {"save", 0, VW_OPT_STRING, &o.reference.save, "FILE", "the JSON into a file, beside the table"},
      {"against", 0, VW_OPT_STRING, &o.reference.against, "FILE",
       "compare with such a file: a line for each rate that is lower, with the host, and exit code 3"},
      {"tolerance", 0, VW_OPT_DOUBLE, &o.reference.tolerance, "X", "by how much a rate may be lower (default 0.1)"},
      {0}};
  static const char *const names[] = {"WHAT", "MODEL_DIR", "DATA"};
  const vw_command_line c = {
      "bench",
      "clip MODEL_DIR | gpu MODEL_DIR | owl MODEL_DIR | sd MODEL_DIR | load MODEL_DIR | tokenizer MODEL_DIR TEXTS_FILE "
      "| preprocess MODEL_DIR PICTURES_FOLDER | precision BOXES_FILE | tsne POINTS_FILE | tsne random:NxD | queue "
      "| study STUDY.yaml",
      "Rates of a training step of a CLIP text encoder (directory with real weights, or of 'viswords random-clip'); of "
      "both towers and each of their kernels against the ceilings of a device; of an OWL-v2 network's tower, steps and "
      "judging; of the passes of Stable Diffusion; of reading weights; of tokenising a file of texts, one a line; of "
      "reading pictures; of average precision. The time of t-SNE of the points x [n, d] in a safetensors file, or of N "
      "made-up points of D numbers. Under mpirun or srun: of the queue of blocks, and of a study's training steps on "
      "1, "
      "2, 4 ... of the ranks and on all.",
      options,
      names,
      1,
      3};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  const bool is_study = !strcmp(positional[0], "study");
  if (is_study != (positional[1] != NULL) && (is_study || !strcmp(positional[0], "queue")))
    return vw_report(VW_RAISE(VW_ERR_ARG, "bench %s: expected %s", positional[0], is_study ? "STUDY.yaml" : "no file"));
  if (is_study || !strcmp(positional[0], "queue")) {
    vw_session_options of_study = {.backend = backend, .precision = b.precision, .cache = cache, .threads = threads};
    of_study.allow_other_kernels = true, of_study.json = b.json;
    return vw_bench_of_ranks(positional, &of_study, b.seconds, &o.reference);
  }
  o.gpu.trials = o.trials, b.order = o.gpu.order;
  const vw_status st = open_and_run(&b, positional, backend, threads ? threads : 1, cache, &o, &slower);
  code = vw_report(st);
  return code == VW_EXIT_OK && slower ? VW_EXIT_DIFFERS : code;
}
