/* A machine against what was kept of it, or of its kind: which rows are slower. */
#include "bench/bench.h"

#include "core/text.h"
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

/* What must be the same for rates to be compared. */
static const char *const conditions[] = {"bench", "kernels", "precision", "threads", "backend", "study"};
enum { CONDITIONS = sizeof conditions / sizeof *conditions };

/* What a row is of, beside its texts; "rank" and "host" are who it is of. */
static const char *const sizes[] = {"trials", "batch", "pictures", "ranks", "points", "width", "threads"};
enum { SIZES = sizeof sizes / sizeof *sizes, NAME_BYTES = 256 };

static const char *const rates[] = {"rate", "per_second", "trial_steps_per_s", "pictures_per_s"};
enum { RATES = sizeof rates / sizeof *rates };

static const json_t *rows_of(const json_t *all) {
  const json_t *rows = json_object_get(all, "rows");
  return rows ? rows : json_object_get(all, "networks");
}

/* 0: the row has none. */
static double rate_of(const json_t *row) {
  for (int i = 0; i < RATES; i++)
    if (json_object_get(row, rates[i])) return json_number_value(json_object_get(row, rates[i]));
  const double seconds = json_number_value(json_object_get(row, "seconds"));
  return seconds > 0 ? 1 / seconds : 0;
}

static bool is_same(const json_t *a, const json_t *b, const char *key) {
  const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
  return (!x && !y) || (x && y && json_equal(x, y));
}

static bool is_same_row(const json_t *a, const json_t *b) {
  static const char *const names[] = {"what", "variant", "pass", "network"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!is_same(a, b, names[i])) return false;
  for (int i = 0; i < SIZES; i++)
    if (!is_same(a, b, sizes[i])) return false;
  return true;
}

/* "cached, trials 16" */
static void name_row(const json_t *row, char name[NAME_BYTES]) {
  static const char *const names[] = {"what", "variant", "pass", "network"};
  int at = 0;
  name[0] = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text = json_string_value(json_object_get(row, names[i]));
    if (text && at < NAME_BYTES - 1) at += snprintf(name + at, (size_t)(NAME_BYTES - at), "%s%s", at ? ", " : "", text);
  }
  for (int i = 0; i < SIZES && at < NAME_BYTES - 1; i++) {
    const json_t *n = json_object_get(row, sizes[i]);
    if (n)
      at += snprintf(name + at, (size_t)(NAME_BYTES - at), "%s%s %lld", at ? ", " : "", sizes[i],
                     (long long)json_integer_value(n));
  }
}

/* The reference of a row: the same row; of a rank, the mean of all ranks there, which are one kind of machine. */
static double reference_of(const json_t *row, const json_t *reference) {
  double sum = 0;
  int64_t n = 0;
  for (size_t i = 0; i < json_array_size(reference); i++) {
    const json_t *other = json_array_get(reference, i);
    if (!is_same_row(row, other) || !(rate_of(other) > 0)) continue;
    sum += rate_of(other), n++;
  }
  return n ? sum / (double)n : 0;
}

static vw_status check_conditions(const json_t *now, const json_t *then, const char *file) {
  for (int i = 0; i < CONDITIONS; i++) {
    if (is_same(now, then, conditions[i])) continue;
    char *here = json_dumps(json_object_get(now, conditions[i]), JSON_ENCODE_ANY);
    char *there = json_dumps(json_object_get(then, conditions[i]), JSON_ENCODE_ANY);
    const vw_status st = VW_RAISE(VW_ERR_INPUT, "%s cannot be compared: its \"%s\" is %s, here it is %s", file,
                                  conditions[i], there ? there : "not there", here ? here : "not there");
    free(here), free(there);
    return st;
  }
  return VW_OK;
}

static vw_status compare(const json_t *now, const json_t *then, const char *name, const char *host, const char *file,
                         double tolerance, int64_t *slower) {
  const json_t *rows = rows_of(now);
  int64_t compared = 0;
  VW_TRY(check_conditions(now, then, file));
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i), *rank = json_object_get(row, "rank");
    const double rate = rate_of(row), reference = reference_of(row, rows_of(then));
    const char *at = json_string_value(json_object_get(row, "host"));
    char what[NAME_BYTES], of_rank[32] = "";
    if (!(reference > 0)) continue;
    compared++;
    if (rate >= (1 - tolerance) * reference) continue;
    ++*slower;
    name_row(row, what);
    if (rank) (void)snprintf(of_rank, sizeof of_rank, "rank %lld on ", (long long)json_integer_value(rank));
    (void)vw_print(stderr, "slow: %s%s: bench %s (%s): %.4g a second, %.0f %% below the %.4g of %s\n", of_rank,
                   at ? at : host, name, what, rate, 100 * (1 - rate / reference), reference, file);
  }
  VW_CHECK(compared, VW_ERR_INPUT, "%s has no row in common with this bench", file);
  return VW_OK;
}

vw_status vw_bench_against(const json_t *now, const char *name, const char *host, const char *file, double tolerance,
                           int64_t *slower) {
  json_t *then = NULL;
  *slower = 0;
  VW_TRY(vw_json_read(file, &then));
  const vw_status st = compare(now, then, name, host, file, tolerance, slower);
  json_decref(then);
  return st;
}
