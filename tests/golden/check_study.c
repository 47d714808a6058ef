/* Compares a finished study with what PyTorch made of it (tests/reference/golden.py).
 *
 *     golden_check_study FIXTURE.safetensors OUT exact|rounded
 *
 * Trials and baselines are matched by their names; all of the fixture's must be in OUT/blocks. Exit code: 0 equal, 1
 * not (a line for each number that is off), 2 unreadable.
 *
 * exact (backend ref, double): everything to 1e-8 of the row's largest number, metrics equal. Sums of some thousand
 * terms differ by 1e-13 at most; the steps' normalised gradients amplify it by less than 1e3 on this study.
 * rounded (fp32): losses of the fixed set before the first step, the first ten training losses and the radius to 1e-4
 * (GOALS: the first ten steps; later ones amplify rounding); every final share within the 95 % Wilson interval of the
 * reference's share of its pictures, every average precision (a fixture without counts) within .02. */
#include "core/status.h"
#include "io/block_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_STEPS = 10 };

typedef struct check {
  vw_safetensors *golden;
  json_t *names; /* {"trials": {group: [..]}, "baselines": {..}} */
  bool exact;
  const char *where; /* "clip/objects fox, dog, 0.25, 0" */
  int64_t matched, wrong;
  double worst[3]; /* largest differences, relative to their bound */
} check;

static void complain(check *c, const char *what, double got, double want, double bound) {
  c->wrong++;
  printf("%s: %s is %.17g, expected %.17g +- %.3g\n", c->where, what, got, want, bound);
}

/* n numbers, `stride` apart in got: one line for the worst of them. */
static void compare(check *c, const char *what, const double *got, int64_t stride, const double *want, int64_t n,
                    double tolerance) {
  double scale = 0, worst = -1;
  int64_t at = 0;
  for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0; i < n; i++) {
    const bool same = got[i * stride] == want[i] || (isnan(got[i * stride]) && isnan(want[i]));
    const double off = same ? 0 : fabs(got[i * stride] - want[i]);
    if (isnan(off) || off > worst) worst = isnan(off) ? INFINITY : off, at = i;
  }
  if (scale > 0) c->worst[0] = fmax(c->worst[0], worst / scale);
  if (worst > tolerance * scale) complain(c, what, got[at * stride], want[at], tolerance * scale);
}

/* The 95 % interval of a share of n pictures (Wilson 1927). */
static void compare_share(check *c, const char *what, double got, double share, double n) {
  const double z = 1.96, middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  c->worst[1] = fmax(c->worst[1], fabs(got - share));
  if (!(fabs(got - middle) <= half + 1e-12)) complain(c, what, got, share, half); /* all of them: the end itself */
}

/* An average precision of words that differ by rounding: few of the boxes that it ranks change places. */
static void compare_precision(check *c, const char *what, double got, double want) {
  const double most = 0.02;
  c->worst[1] = fmax(c->worst[1], fabs(got - want));
  if (!(fabs(got - want) <= most)) complain(c, what, got, want, most);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Words of several vectors are [words, vectors, width] here, and a row each in the fixture. */
static bool has_columns(const vw_tensor *t, int64_t columns) {
  return columns < 0 || vw_last_dim(t) == columns || (t->ndim == 3 && t->dim[1] * t->dim[2] == columns);
}

/* A tensor as doubles, `dims` checked where >= 0; malloc'ed, the caller frees it. */
static vw_status read_doubles(const vw_safetensors *f, const char *name, int64_t rows, int64_t columns, double **out) {
  vw_tensor t;
  *out = NULL;
  VW_TRY(vw_safetensors_find(f, name, &t));
  VW_CHECK(t.ndim >= 1 && (rows < 0 || t.dim[0] == rows) && has_columns(&t, columns), VW_ERR_INPUT,
           "%s: tensor '%s' is %s, expected [%" PRId64 ", %" PRId64 "]", vw_safetensors_path(f), name,
           vw_shape_text(&t), rows, columns);
  *out = malloc((size_t)vw_count(&t) * sizeof(double) + 1);
  VW_CHECK(*out, VW_ERR_MEMORY, "out of memory");
  const vw_status st = vw_convert(*out, VW_F64, t.data, t.dtype, vw_count(&t));
  if (st != VW_OK) free(*out), *out = NULL;
  return st;
}

static vw_status read_golden(const check *c, const char *group, const char *name, double **out, int64_t *columns) {
  char full[512];
  vw_tensor t;
  (void)snprintf(full, sizeof full, "%s/%s", group, name);
  VW_TRY(vw_safetensors_find(c->golden, full, &t));
  if (columns) *columns = t.ndim > 1 ? t.dim[1] : 1;
  return read_doubles(c->golden, full, -1, -1, out);
}

static bool has_golden(const check *c, const char *group, const char *name) {
  char full[512];
  (void)snprintf(full, sizeof full, "%s/%s", group, name);
  return vw_safetensors_has(c->golden, full);
}

static vw_status read_json(const vw_safetensors *f, const char *key, json_t **out) {
  const char *text = vw_safetensors_metadata(f, key);
  VW_CHECK(text, VW_ERR_INPUT, "%s: no metadata '%s'", vw_safetensors_path(f), key);
  *out = json_loads(text, 0, NULL);
  VW_CHECK(*out, VW_ERR_INPUT, "%s: metadata '%s' is not JSON", vw_safetensors_path(f), key);
  return VW_OK;
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

/* The place in `list` of the object that has the same members `keys` (NULL at the end) as `wanted`; -1: none. */
static int64_t find(const json_t *list, const json_t *wanted, const char *const *keys) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    bool same = true;
    for (const char *const *k = keys; *k; k++)
      same = same && json_equal(json_object_get(json_array_get(list, i), *k), json_object_get(wanted, *k));
    if (same) return (int64_t)i;
  }
  return -1;
}

static const char *const trial_keys[] = {"concept", "anchor", "delta", "replica", NULL};
static const char *const baseline_keys[] = {"concept", "kind", "anchor", NULL};

typedef struct pairing {
  char group[256];
  json_t *here;          /* the file's list */
  const json_t *theirs;  /* the fixture's */
  const char *const *by; /* keys */
} pairing;

static vw_status pair(const check *c, const vw_safetensors *f, const char *list, const char *kind,
                      const char *const *by, pairing *p) {
  const char *model = vw_safetensors_metadata(f, "model"), *data = vw_safetensors_metadata(f, "data");
  VW_CHECK(model && data, VW_ERR_INPUT, "%s: no model or data in the metadata", vw_safetensors_path(f));
  (void)snprintf(p->group, sizeof p->group, "%s/%s", model, data);
  p->theirs = json_object_get(json_object_get(c->names, kind), p->group), p->by = by;
  return read_json(f, list, &p->here);
}

/* Row of the fixture for row k of the file, with c->where set; -1: the fixture does not know it. */
static int64_t partner(check *c, const pairing *p, int64_t k) {
  static char where[512];
  const json_t *mine = json_array_get(p->here, (size_t)k);
  const int64_t row = find(p->theirs, mine, p->by);
  size_t n = (size_t)snprintf(where, sizeof where, "%s", p->group);
  for (const char *const *key = p->by; *key && n < sizeof where; key++) {
    char *text = json_dumps(json_object_get(mine, *key), JSON_ENCODE_ANY);
    n += (size_t)snprintf(where + n, sizeof where - n, " %s", text ? text : "?");
    free(text);
  }
  c->where = where;
  return row;
}

/* ---- the three kinds of files ------------------------------------------------------------------------------------ */

enum { WORDS, HISTORY, START, END, NORM, KKT, RADIUS, ARRAYS };
static const char *const here_name[ARRAYS] = {"words",     "history", "loss_start", "loss_end",
                                              "grad_norm", "kkt",     "radius"};
static const char *const golden_name[ARRAYS] = {"words",     "history", "fixed_start", "fixed_end",
                                                "grad_norm", "kkt",     "radius"};

static void compare_trial(check *c, double *const *got, double *const *want, const int64_t *width, int64_t k, int64_t K,
                          int64_t row) {
  for (int i = 0; i < ARRAYS; i++) {
    const bool history = i == HISTORY;
    const double *g = history ? got[i] + k : got[i] + k * width[i], *w = want[i] + row * width[i];
    if (c->exact)
      compare(c, here_name[i], g, history ? K : 1, w, width[i], 1e-8);
    else if (i == START || i == RADIUS || history)
      compare(c, here_name[i], g, history ? K : 1, w, history && width[i] > FIRST_STEPS ? FIRST_STEPS : width[i], 1e-4);
  }
  c->matched++;
}

static vw_status check_block(check *c, const vw_safetensors *f) {
  double *got[ARRAYS] = {0}, *want[ARRAYS] = {0};
  int64_t width[ARRAYS];
  pairing p = {.here = NULL};
  vw_status st = VW_OK;
  VW_GOTO(pair(c, f, "trials", "trials", trial_keys, &p));
  const int64_t K = (int64_t)json_array_size(p.here);
  for (int i = 0; i < ARRAYS; i++) {
    VW_GOTO(read_golden(c, p.group, golden_name[i], &want[i], &width[i]));
    VW_GOTO(i == HISTORY ? read_doubles(f, here_name[i], width[i], K, &got[i])
                         : read_doubles(f, here_name[i], K, i == WORDS ? width[i] : K, &got[i]));
  }
  for (int64_t k = 0; k < K; k++) {
    const int64_t row = partner(c, &p, k);
    if (row >= 0)
      compare_trial(c, got, want, width, k, K, row);
    else
      c->wrong++, printf("%s: not in the fixture\n", c->where);
  }
cleanup:
  for (int i = 0; i < ARRAYS; i++) free(got[i]), free(want[i]);
  json_decref(p.here);
  return st;
}

/* Metrics of words (evaluation) or of baselines. Baselines that the fixture lacks (random directions) are passed over.
 */
static vw_status check_metrics(check *c, const vw_safetensors *f, bool baselines) {
  double *got = NULL, *want = NULL, *counts = NULL;
  int64_t metrics = 0;
  pairing p = {.here = NULL};
  vw_status st = VW_OK;
  VW_GOTO(baselines ? pair(c, f, "rows", "baselines", baseline_keys, &p)
                    : pair(c, f, "trials", "trials", trial_keys, &p));
  VW_GOTO(read_golden(c, p.group, baselines ? "baselines" : "metrics", &want, &metrics));
  if (has_golden(c, p.group, "counts"))
    VW_GOTO(read_golden(c, p.group, baselines ? "baseline_counts" : "counts", &counts, NULL));
  VW_GOTO(read_doubles(f, "metrics", (int64_t)json_array_size(p.here), metrics, &got));
  for (int64_t k = 0; k < (int64_t)json_array_size(p.here); k++) {
    const int64_t row = partner(c, &p, k);
    if (row < 0) continue;
    for (int64_t m = 0; m < metrics; m++) {
      const double *g = got + k * metrics + m, *w = want + row * metrics + m;
      char name[32];
      (void)snprintf(name, sizeof name, "metric %" PRId64, m);
      if (c->exact || isnan(*w))
        compare(c, name, g, 1, w, 1,
                counts ? 1e-12 : 1e-9); /* of pictures; average precisions: sums of 101 quotients */
      else if (counts)
        compare_share(c, name, *g, *w, counts[row * metrics + m]);
      else
        compare_precision(c, name, *g, *w);
    }
    c->matched++;
  }
cleanup:
  free(got), free(want), free(counts);
  json_decref(p.here);
  return st;
}

static vw_status check_file(void *user, const char *name, const char *path) {
  check *c = user;
  vw_safetensors *f = NULL;
  const size_t n = strlen(name), end = strlen(".safetensors");
  if (n <= end || strcmp(name + n - end, ".safetensors") != 0) return VW_OK;
  VW_TRY(vw_safetensors_open(&f, path));
  const vw_status st = strstr(name, "-evaluation")  ? check_metrics(c, f, false)
                       : strstr(name, "-baselines") ? check_metrics(c, f, true)
                                                    : check_block(c, f);
  vw_safetensors_close(f);
  return st;
}

/* Every trial counts twice: learned and judged. */
static int64_t expected_rows(const check *c) {
  const char *group;
  json_t *list;
  int64_t n = 0;
  json_object_foreach(json_object_get(c->names, "trials"), group, list) n += 2 * (int64_t)json_array_size(list);
  json_object_foreach(json_object_get(c->names, "baselines"), group, list) n += (int64_t)json_array_size(list);
  return n;
}

int main(int argc, char **argv) {
  check c = {.where = ""};
  vw_status st = VW_ERR_ARG;
  if (argc != 4 || (strcmp(argv[3], "exact") != 0 && strcmp(argv[3], "rounded") != 0)) {
    (void)fprintf(stderr, "usage: golden_check_study FIXTURE.safetensors OUT exact|rounded\n");
    return 2;
  }
  c.exact = !strcmp(argv[3], "exact");
  VW_GOTO(vw_safetensors_open(&c.golden, argv[1]));
  VW_GOTO(read_json(c.golden, "json", &c.names));
  VW_GOTO(vw_block_files_visit(argv[2], check_file, &c));
  if (c.matched != expected_rows(&c))
    c.wrong++, printf("%" PRId64 " rows of %" PRId64 " are there\n", c.matched, expected_rows(&c));
  printf("%s: %" PRId64 " rows compared, %" PRId64 " numbers off; largest relative difference %.2g, of a share %.2g\n",
         argv[3], c.matched, c.wrong, c.worst[0], c.worst[1]);
  if (c.wrong)
    printf("where data/ or %s changed, tests/reference/golden.py makes the fixture anew\n", "jobs/studies/smoke.yaml");
cleanup:
  if (st != VW_OK) (void)fprintf(stderr, "%s\n", vw_error_message());
  json_decref(c.names);
  vw_safetensors_close(c.golden);
  return st != VW_OK ? 2 : c.wrong != 0;
}
