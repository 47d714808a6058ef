/* `viswords bench`: what its parts share. */
#ifndef VW_BENCH_BENCH_H
#define VW_BENCH_BENCH_H

#include "learn/rates.h"
#include "networks/clip.h"

#include <jansson.h>

typedef struct vw_bench {
  vw_clip_network *n;
  vw_context ctx;
  double seconds, sgemm;
  bool sgemm_is_own;   /* of our product: there is no OpenBLAS */
  json_t *rows, *head; /* head: what stands beside the rows; NULL: sgemm and threads */
  bool json, ops;
  bool kernels,
      count;        /* sd: each distinct call against this device's ceilings; bytes and operations, running nothing */
  int64_t segments; /* sd: of the word step's forward pass, which is recomputed; at most 1: it is not */
  int64_t order;    /* of the products that give the ceilings; 0: by backend */
  bool settle;      /* gpu, owl, sd: rows are timed until they settle, for `seconds` at most */
  const char *precision; /* NULL: auto (vw_precision_named) */
  vw_rates rates;        /* of this machine, for `viswords plan` */
} vw_bench;

/* b->sgemm: operations a second of OpenBLAS' product of order 2048 with ctx's threads; where there is none, of our own
 * large product. vw_bench_sgemm_is: "sgemm", or which of the two it was not. */
vw_status vw_bench_sgemm(vw_bench *b);
const char *vw_bench_sgemm_is(const vw_bench *b);

/* Seconds of a steady clock; processor seconds of all threads of the process. */
double vw_bench_now(void);
double vw_bench_cpu(void);

/* Numbers of a comma-separated list: calls `each` with every one of them. `option` names the list in messages. */
vw_status vw_bench_each(const char *option, const char *list, vw_status (*each)(void *user, int64_t number),
                        void *user);

/* How long a run takes. */
typedef struct vw_bench_rate {
  double one, cpu; /* seconds of a run; of its threads together, which tells more where others keep the machine busy */
  double measured; /* seconds of all runs (vw_bench_settle) */
  bool settled;
} vw_bench_rate;

/* One run, to the end. */
vw_status vw_bench_run(vw_program *p, vw_bench_rate *r);

/* Medians of runs for `seconds`, three at least, behind one that warms caches. Where that one alone takes longer than
 * `seconds` it counts and is the only one: a large network runs for minutes. */
vw_status vw_bench_median(vw_program *p, double seconds, vw_bench_rate *r);

/* Mean seconds of a run once a device has settled: the mean of the last third of all runs. They end when it is within 1 %
 * of the third before, after a third of `seconds` at the earliest, or after `seconds`. */
vw_status vw_bench_settle(vw_program *p, double seconds, vw_bench_rate *r);
/* The rule on n windows of equal numbers of runs. */
bool vw_bench_has_settled(const double *window, int n, double *one);
/* A line below the row's, and two keys of its JSON; nothing unless b->settle. */
void vw_bench_settle_print(const vw_bench *b, const vw_bench_rate *r);
void vw_bench_settle_json(const vw_bench *b, const vw_bench_rate *r, json_t *row);

/* Bytes that this process holds beside mapped files, or this context on its device. */
int64_t vw_bench_held(const vw_context *ctx);

/* Runs once and prints the time by op. */
vw_status vw_bench_print_ops(vw_program *p);

/* ---- programs of real size, made-up data (src/bench/step.c) */

enum { VW_BENCH_PREFIX = 5, VW_BENCH_PROMPT = 7 }; /* "a photo of a <w>": start a photo of a | word end */

typedef struct vw_bench_program {
  vw_graph *graph;
  vw_program *program;
} vw_bench_program;

/* The training step of K trials of the text encoder: P positions of the prompt cached, T computed. Pictures and the
 * other classes' logits are made up: they cost the same. Ready to run; closed by the caller, also after an error. */
vw_status vw_bench_text_step(vw_bench *b, int64_t P, int64_t T, int64_t K, vw_bench_program *out);
/* Plans out->graph, binds the weights, and fills the other leaves: reals with small numbers, entry j of an integer leaf
 * with what `integer_of` says. */
typedef int32_t (*vw_bench_integer)(const void *user, const char *leaf, int64_t j);
vw_status vw_bench_ready(vw_bench *b, const vw_policy *policy, vw_bench_integer integer_of, const void *user,
                         vw_bench_program *out);
/* The image tower on B pictures at once. */
vw_status vw_bench_image_tower(vw_bench *b, int64_t B, vw_bench_program *out);
void vw_bench_program_close(vw_bench_program *p);

/* Leaves the time of a program in the rates that `viswords plan` reads: what is "step" (of the text encoder) or
 * "picture" (of the image tower), sizes[n] tell it from others. Errors: VW_ERR_MEMORY. */
vw_status vw_bench_keep(vw_bench *b, const char *what, const int64_t *sizes, int n, const vw_bench_program *p,
                        double seconds);

/* ---- parts */

/* Rates of reading what a user brings, on one thread, warm caches. Each prints rows and adds them to b->rows.
 * load: weights from a model directory to both towers' programs, beside the page cache. tokenizer: texts of a file, one
 * a line. preprocess: the pictures in a folder and below, decoded, resized, normalised. */
vw_status vw_bench_load(vw_bench *b, const char *dir);
vw_status vw_bench_tokenizer(vw_bench *b, const char *dir, const char *texts);
vw_status vw_bench_preprocess(vw_bench *b, const char *dir, const char *folder);

/* Compares the rows of a bench's JSON with those of a file of `bench --save`: rows are the same where all their texts and
 * sizes are; what is compared is the row's rate, else the inverse of its seconds. Tells a line on standard error for each
 * row that is slower by more than the share `tolerance`, with this host and the row; *slower: how many. Rows of one side
 * alone are passed over, but one must be there. `name`: of the bench. Errors: VW_ERR_INPUT (no such file; of another bench,
 * kernels, precision or number of threads; no row in common). */
vw_status vw_bench_against(const json_t *now, const char *name, const char *host, const char *file, double tolerance,
                           int64_t *slower);

/* `bench clip`: see src/bench/clip.c. trials: batch sizes, a comma-separated list; only: a variant, NULL: all. */
vw_status vw_bench_clip(vw_bench *b, const char *dir, const char *trials, const char *only);

/* `bench sd`: see src/bench/sd.c. pictures: batch sizes, a comma-separated list; only: a pass, NULL:
 * all. */
vw_status vw_bench_sd(vw_bench *b, const char *dir, const char *pictures, const char *only);

/* `bench owl`: see src/bench/owl.c. trials: words of a step, a comma-separated list; only: a pass, NULL: all. */
vw_status vw_bench_owl(vw_bench *b, const char *dir, const char *trials, const char *only);

/* `bench precision`: average precision of the boxes in a file (see src/bench/precision.c). */
vw_status vw_bench_precision(vw_bench *b, const char *file);

/* `bench tsne`: see src/bench/tsne.c. file: safetensors with the points x [n, d] f32, or "random:NxD" for made-up ones.
 * points_file: gets where they end; NULL: nowhere. */
vw_status vw_bench_tsne(vw_bench *b, const char *file, const char *points_file);

/* `bench gpu`: see src/bench/gpu.c. */
typedef struct vw_bench_gpu_options {
  const char *trials, *pictures; /* batch sizes of the text encoder and of the image tower; NULL: the defaults */
  const char *only;              /* "ceilings", "text" or "image"; NULL: all */
  int64_t order;                 /* of the products that give the ceilings; 0: by backend */
  bool timed;                    /* the library's algorithms are timed for each product of a network */
} vw_bench_gpu_options;
vw_status vw_bench_gpu(vw_bench *b, const char *dir, const vw_bench_gpu_options *options);

#endif
