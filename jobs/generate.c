/* `viswords generate`: pictures of texts and of learned words by a Stable Diffusion directory. */
#include "jobs/generate.h"

#include "core/durable.h"
#include "core/text.h"
#include "jobs/jobs.h"
#include "jobs/session.h"
#include "jobs/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct generate_options {
  const char *backend, *precision, *size, *sampler, *spacing, *only;
  vw_option_list text_files, words;
  int64_t threads, batch;
} generate_options;

/* ---- what is drawn ----------------------------------------------------------------------------------------------- */

/* "512" or "768x512": width, height. */
static vw_status read_size(const char *text, vw_drawing *d) {
  char *end = NULL;
  d->width = d->height = strtoll(text, &end, 10);
  if (*end == 'x') d->height = strtoll(end + 1, &end, 10);
  VW_CHECK(end != text && !*end && d->width > 0 && d->height > 0, VW_ERR_ARG,
           "generate: --size '%s': expected a side such as 512, or WIDTHxHEIGHT such as 768x512", text);
  return VW_OK;
}

static vw_status read_drawing(vw_generate *g, const generate_options *o) {
  static const int64_t steps[VW_SAMPLERS] = {[VW_SAMPLER_DDIM] = 50, [VW_SAMPLER_DPM_2M] = 20};
  vw_drawing *d = &g->what;
  VW_TRY(vw_sampler_named(o->sampler, &d->sampler));
  if (o->spacing) VW_TRY(vw_spacing_named(o->spacing, &d->spacing));
  if (!d->steps) d->steps = steps[d->sampler];
  if (o->size)
    VW_TRY(read_size(o->size, d));
  else
    VW_TRY(vw_drawing_trained_size(g->n, &d->width));
  if (!o->size) d->height = d->width;
  d->batch = 1;
  VW_CHECK(g->number >= 1 && g->seed >= 0 && g->seed <= INT64_MAX - g->number, VW_ERR_ARG,
           "generate: %" PRId64 " pictures from seed %" PRId64 ": expected at least one, from seed 0 on", g->number,
           g->seed);
  return vw_drawing_check(g->n, d);
}

static vw_status gather(vw_generate *g, const generate_options *o, const char *const *positional, int n) {
  vw_option_list texts = {.text = (const char **)(uintptr_t)(positional + 1)};
  while (texts.n + 1 < n && positional[texts.n + 1]) texts.n++;
  VW_CHECK(strstr(g->in.word_template, "{}"), VW_ERR_ARG, "generate: --template '%s' has no {}", g->in.word_template);
  VW_TRY(vw_encode_add_texts(&g->in, &texts, &o->text_files, false));
  for (int64_t i = 0; i < o->words.n; i++)
    VW_TRY(vw_word_list_add(&g->in.words, o->words.text[i], o->only, g->n->net.width));
  VW_TRY(vw_word_list_check_network(&g->in.words, 0, &g->n->net, VW_WORDS_WAY_OUT));
  VW_CHECK(vw_generate_rows(g) > 0, VW_ERR_ARG,
           "generate: nothing to draw: give a text, --texts or --words (an empty text is \"\")");
  return VW_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static vw_status fits(vw_generate *g, int64_t batch, int64_t bytes, vw_drawing_memory *m, bool *yes) {
  g->what.batch = batch;
  VW_TRY(vw_drawing_measure(g->n, &g->what, m));
  *yes = !bytes || m->weights + m->programs <= bytes;
  return VW_OK;
}

/* How many pictures go through the network at once: as many as asked for, or as fit, at most eight, and no more than
 * the same number of batches needs. */
static vw_status choose_batch(vw_generate *g, int64_t asked, int64_t pictures, vw_drawing_memory *m) {
  enum { MOST = 8 };
  const int64_t free_bytes = vw_drawing_memory_free(&g->ctx);
  const double giga = 1e9;
  int64_t batch = asked ? asked : pictures < MOST ? pictures : MOST;
  bool yes = false;
  VW_TRY(fits(g, batch, free_bytes, m, &yes));
  while (!yes && !asked && batch > 1) VW_TRY(fits(g, batch /= 2, free_bytes, m, &yes));
  VW_CHECK(yes, VW_ERR_MEMORY,
           "%s: %" PRId64 " picture%s of %" PRId64 " x %" PRId64
           " at once need%s %.2f GB for weights and %.2f GB to work "
           "in, %.2f GB are free: choose a smaller --size%s%s",
           g->n->net.dir, batch, batch == 1 ? "" : "s", g->what.width, g->what.height, batch == 1 ? "s" : "",
           (double)m->weights / giga, (double)m->programs / giga, (double)free_bytes / giga,
           batch > 1 ? " or --batch" : "", g->ctx.backend == VW_CUDA ? ", or --backend cpu" : "");
  if (asked) return VW_OK;
  const int64_t batches = (pictures + batch - 1) / batch;
  return fits(g, (pictures + batches - 1) / batches, free_bytes, m, &yes);
}

static void tell(const vw_generate *g, int64_t there, const vw_drawing_memory *m) {
  const vw_drawing *d = &g->what;
  const double mega = 1e6;
  if (g->quiet) return;
  (void)vw_print(stderr,
                 "%s: %" PRId64 " x %" PRId64 " pictures of %" PRId64 " x %" PRId64 "%s; %s, %" PRId64
                 " steps, guidance %g; %" PRId64 " at once on %s in %s: %.1f MB of weights, %.1f MB to work in\n",
                 g->n->net.dir, vw_generate_rows(g), g->number, d->width, d->height, there ? ", some are there" : "",
                 vw_sampler_name(d->sampler), d->steps, d->guidance, d->batch, vw_backend_name(g->ctx.backend),
                 vw_precision_name(&g->ctx), (double)m->weights / mega, (double)m->programs / mega);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static vw_status find_todo(const vw_generate *g, int64_t *todo, int64_t *n) {
  *n = 0;
  for (int64_t row = 0; row < vw_generate_rows(g); row++)
    for (int64_t i = 0; i < g->number; i++) {
      bool there;
      VW_TRY(vw_generate_is_there(g, row, i, &there));
      if (!there) todo[(*n)++] = row * g->number + i;
    }
  return VW_OK;
}

static vw_status draw(vw_generate *g, const generate_options *o, bool *stopped) {
  const int64_t all = vw_generate_rows(g) * g->number;
  vw_drawing_memory m;
  vw_status st = VW_OK;
  int64_t n = 0, *todo = malloc((size_t)all * sizeof *todo);
  VW_CHECK(todo, VW_ERR_MEMORY, "generate: out of memory for %" PRId64 " pictures", all);
  VW_GOTO(vw_folder_make(g->out));
  VW_GOTO(find_todo(g, todo, &n));
  if (n) {
    VW_GOTO(choose_batch(g, o->batch, n, &m));
    tell(g, all - n, &m);
    VW_GOTO(vw_generate_draw(g, todo, n, stopped));
  }
  VW_GOTO(vw_generate_sheet(g));
  VW_GOTO(find_todo(g, todo, &n));
  (void)vw_print(stdout, "%" PRId64 " of %" PRId64 " pictures are in %s; sheet.png has a row a text\n", all - n, all,
                 g->out);
cleanup:
  free(todo);
  return st;
}

/* auto: a device where there is one. */
static vw_status open_context(vw_generate *g, const generate_options *o) {
  const int64_t threads = o->threads > 0 ? o->threads : sysconf(_SC_NPROCESSORS_ONLN);
  vw_backend backend = VW_CPU;
  VW_TRY(vw_backend_named(o->backend, &backend));
  bool opened = false;
  if (!strcmp(o->backend, "auto")) {
    opened = vw_context_open(&g->ctx, VW_CUDA, (int)threads, 0) == VW_OK;
    if (!opened) vw_context_close(&g->ctx), vw_error_clear();
  }
  if (!opened) VW_TRY(vw_context_open(&g->ctx, backend, (int)threads, 0));
  return vw_precision_named(o->precision, &g->ctx);
}

static vw_status generate(vw_generate *g, const generate_options *o, const char *const *positional, int n,
                          bool *stopped) {
  VW_TRY(open_context(g, o));
  VW_TRY(vw_sd_network_open(&g->n, positional[0], &g->ctx));
  VW_TRY(read_drawing(g, o));
  VW_TRY(gather(g, o, positional, n));
  VW_TRY(vw_generate_check_texts(g));
  VW_TRY(vw_hub_diffusers_check_finite(&g->n->hub));
  VW_TRY(vw_hub_diffusers_hash(&g->n->hub, &g->weights));
  vw_stop_signals_install();
  VW_TRY(draw(g, o, stopped));
  return vw_network_unchanged(&g->n->net);
}

static void generate_free(vw_generate *g) {
  vw_sd_network_close(g->n);
  if (g->ctx.threads) vw_context_close(&g->ctx);
  vw_encode_inputs_free(&g->in);
}

int vw_job_generate(int argc, char **argv) {
  vw_generate g = {.in = {.word_template = "a photo of a {}"},
                   .what = {.guidance = 7.5},
                   .negative = "",
                   .out = "pictures",
                   .number = 8};
  generate_options o = {.backend = "auto", .precision = "auto", .sampler = "dpm++"};
  const char **room = calloc(3 * (size_t)argc + 8, sizeof *room), **positional = room + 2 * argc;
  if (!room) return vw_report(VW_RAISE(VW_ERR_MEMORY, "generate: out of memory"));
  o.text_files.text = room, o.words.text = room + argc;
  const vw_option options[] = {
      {"number", 'n', VW_OPT_INT, &g.number, "N", "pictures of each text and word; default 8"},
      {"output", 'o', VW_OPT_STRING, &g.out, "DIR", "folder for the pictures; default 'pictures'"},
      {"texts", 0, VW_OPT_LIST, &o.text_files, "FILE", "more texts, one a line; -: standard input"},
      {"words", 'w', VW_OPT_LIST, &o.words, "PATH", "learned words: an output directory, a block or safetensors file"},
      {"only", 0, VW_OPT_STRING, &o.only, "PART", "of the words, those whose name holds PART"},
      {"template", 0, VW_OPT_STRING, &g.in.word_template, "TEXT", "where words stand; default 'a photo of a {}'"},
      {"negative", 0, VW_OPT_STRING, &g.negative, "TEXT",
       "what pictures are steered away from; default: the empty text"},
      {"guidance", 'g', VW_OPT_DOUBLE, &g.what.guidance, "X",
       "how far away; 1: not at all, in half the time; default 7.5"},
      {"sampler", 0, VW_OPT_STRING, &o.sampler, "NAME", "dpm++ (DPM-Solver++(2M); default) or ddim"},
      {"steps", 0, VW_OPT_INT, &g.what.steps, "N", "default 20 (dpm++) or 50 (ddim)"},
      {"spacing", 0, VW_OPT_STRING, &o.spacing, "HOW",
       "of timesteps: leading, linspace, trailing; default: the model's"},
      {"seed", 0, VW_OPT_INT, &g.seed, "N", "of each text's first picture, the next has N + 1; default 0"},
      {"size", 's', VW_OPT_STRING, &o.size, "SIDE",
       "in pixels, or WIDTHxHEIGHT; default: what the model was trained on"},
      {"batch", 0, VW_OPT_COUNT, &o.batch, "N", "pictures at once; default: what memory holds, at most 8"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME", "auto, fp32, tf32, mixed, bf16"},
      {"threads", 0, VW_OPT_COUNT, &o.threads, "N", "default: all cores"},
      {"quiet", 'q', VW_OPT_FLAG, &g.quiet, NULL, "no progress"},
      {0}};
  static const char *const names[] = {"MODEL_DIR"};
  const vw_command_line c = {"generate",
                             "MODEL_DIR [TEXT]... [--words PATH]... [-n 8] [-o DIR]",
                             "Draws pictures of texts and learned words with a Stable Diffusion directory. The same "
                             "command goes on where it was stopped.",
                             options,
                             names,
                             1,
                             argc + 1};
  int code = 0;
  bool stopped = false;
  if (vw_begin(&c, argc, argv, positional, &code)) {
    code = vw_report(generate(&g, &o, positional, argc + 1, &stopped));
    if (code == VW_EXIT_OK && stopped) code = VW_EXIT_REQUEUE;
    generate_free(&g);
  }
  free((void *)room);
  return code;
}
