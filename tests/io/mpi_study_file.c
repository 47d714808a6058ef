/* Run by test_study_file.sh.
 *   mpi_study_file write PATH   all ranks write a small study together and check that the writes were collective
 *   mpi_study_file single PATH  the same on one rank without MPI
 *   mpi_study_file full PATH    the same, but no file may grow beyond 20 kB: an error that leaves PATH as it was
 *   mpi_study_file break PATH   the same, but nobody is told of that limit: a write of HDF5's fails
 *   mpi_study_file fail PATH    the last rank gives up before closing
 *   mpi_study_file refuse PATH  what netCDF could not read is not written
 *   mpi_study_file read PATH    one process reads back what `write` wrote */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cluster/ranks.h"
#include "io/study/study_file.h"

enum { N = 37, WIDTH = 513, POINTS = 3001, ID = 12 };

/* In the place of the C library's: what the writer asks. */
static bool limit_is_hidden;
int getrlimit(__rlimit_resource_t resource, struct rlimit *limits) {
  if (!limit_is_hidden) return prlimit(0, resource, NULL, limits);
  *limits = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
  return 0;
}

static float value(int64_t row, int64_t column) {
  return (float)row + 1e-3f * (float)((column * 7919) % 1000);
}

/* Rank r of n owns the blocks of 3 rows whose number is r modulo n, and brings them last block first; row 36 nobody
 * brings. With 4 ranks and `skip` the last rank has nothing. */
static int64_t my_ranges(const vw_ranks *r, vw_row_range *mine, int64_t *rows) {
  const int size = r->size > 3 ? r->size - 1 : r->size;
  int64_t n = 0;
  *rows = 0;
  for (int64_t b = 11; b >= 0; b--)
    if (b % size == r->rank) mine[n++] = (vw_row_range){3 * b, 3}, *rows += 3;
  return n;
}

static vw_status write_words(vw_study_file *f, const vw_ranks *r, const char *path, int64_t width) {
  vw_row_range mine[N];
  int64_t rows, at = 0;
  const int64_t n = my_ranges(r, mine, &rows);
  const vw_study_data d = {path, VW_F32, 0, 2, {N, width}, "1", "learned words", {"/trials/id", NULL}};
  float *x = malloc((size_t)(rows * width) * sizeof *x + 1);
  if (!x) return VW_RAISE(VW_ERR_MEMORY, "test");
  for (int64_t i = 0; i < n; i++)
    for (int64_t row = mine[i].start; row < mine[i].start + 3; row++)
      for (int64_t c = 0; c < width; c++) x[at++] = value(row, c);
  const vw_status st = vw_study_file_write_rows(f, &d, mine, n, x);
  free(x);
  return st;
}

static vw_status write_columns(vw_study_file *f, const vw_ranks *r) {
  vw_row_range mine[N];
  int64_t rows, at = 0, seconds[N], empty = 0;
  double loss[N];
  int32_t steps[N];
  char ids[N * ID] = "";
  const int64_t n = my_ranges(r, mine, &rows);
  for (int64_t i = 0; i < n; i++)
    for (int64_t row = mine[i].start; row < mine[i].start + 3; row++, at++) {
      seconds[at] = INT64_C(5000000000) + row, steps[at] = (int32_t)(10 * row), loss[at] = 1.0 / (double)(1 + row);
      (void)snprintf(ids + at * ID, ID, "mot-\xc3\xa9-%02d", (int)row);
    }
  vw_study_data d = {.path = "/trials/id", .text_bytes = ID, .ndim = 1, .dim = {N}, .units = "utf-8"};
  VW_TRY(vw_study_file_write_scale(f, &d, mine, n, ids));
  d = (vw_study_data){.path = "/trials/ns", .dtype = VW_I64, .ndim = 1, .dim = {N}, .units = "ns"};
  d.scale[0] = "/trials/id";
  VW_TRY(vw_study_file_write_rows(f, &d, mine, n, seconds));
  d.path = "/trials/steps", d.dtype = VW_I32, d.units = "1";
  VW_TRY(vw_study_file_write_rows(f, &d, mine, n, steps));
  d.path = "/trials/loss", d.dtype = VW_F64, d.units = "nat";
  VW_TRY(vw_study_file_write_rows(f, &d, mine, n, loss));
  d = (vw_study_data){.path = "/empty", .dtype = VW_F32, .ndim = 1, .dim = {0}, .units = "1"};
  return vw_study_file_write_rows(f, &d, NULL, 0, &empty);
}

static vw_status write_all(vw_study_file *f, const vw_ranks *r) {
  char *plan = malloc(200001);
  if (!plan) return VW_RAISE(VW_ERR_MEMORY, "test");
  memset(plan, 'p', 200000), plan[200000] = 0;
  vw_status st = write_columns(f, r);
  if (st == VW_OK) st = write_words(f, r, "/trials/words/clip", WIDTH);
  if (st == VW_OK) st = write_words(f, r, "/trials/history/clip", POINTS);
  if (st == VW_OK) st = vw_study_file_write_text(f, "/config/plan", r->rank ? NULL : plan, r->rank ? -1 : 200000);
  if (st == VW_OK) st = vw_study_file_write_text(f, "/config/nothing", "", 0);
  if (st == VW_OK) st = vw_study_file_attribute_text(f, "/", "study", r->rank ? "other" : "demo");
  if (st == VW_OK) st = vw_study_file_attribute_number(f, "/words", "seed", 2406);
  free(plan);
  return st;
}

static vw_status write_study(const vw_ranks *r, const char *path, bool give_up) {
  vw_study_file *f = NULL;
  VW_TRY(vw_study_file_create(r, path, &f));
  vw_status st = write_all(f, r);
  const vw_study_io io = *vw_study_file_io(f);
  if (give_up && r->rank == r->size - 1) st = VW_RAISE(VW_ERR_INPUT, "given up");
  VW_TRY(vw_study_file_close(f, st));
  if (r->rank == 0)
    (void)printf("writes=%lld collective=%lld causes=%#x\n", (long long)io.writes, (long long)io.collective, io.causes);
  VW_CHECK(io.writes == io.collective && (io.writes == 8 || !r->comms), VW_ERR_IO, "a write was not collective");
  return VW_OK;
}

/* Each in a file of its own: nothing is written after a refusal. */
static vw_status refuse_all(const vw_ranks *r, const char *path) {
  static const struct {
    vw_study_data data;
    const char *message;
  } wrong[] = {{{"/words/clip", VW_F32, 0, 1, {N}, "1", NULL, {"/trials/id"}}, "scale /trials/id in another group"},
               {{"/trials", VW_F32, 0, 1, {N}, "1", NULL, {"/trials/id"}}, "scale /trials/id in another group"},
               {{"/trials/words", VW_F16, 0, 1, {N}, "1", NULL, {"/trials/id"}}, "cannot read fp16"},
               {{"/trials/letter", VW_U8, 1, 1, {N}, "utf-8", NULL, {"/trials/id"}}, "cannot read texts of one byte"}};
  static const float nothing[N];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    vw_study_file *f = NULL;
    VW_TRY(vw_study_file_create(r, path, &f));
    const vw_status st = write_columns(f, r);
    const vw_status refused = st == VW_OK ? vw_study_file_write_rows(f, &wrong[i].data, NULL, 0, nothing) : st;
    const bool right = refused == VW_ERR_ARG && strstr(vw_error_message(), wrong[i].message);
    if (!right) (void)fprintf(stderr, "%s: %s\n", wrong[i].data.path, vw_error_message());
    vw_error_clear();
    const vw_status closed = vw_study_file_close(f, VW_OK);
    VW_CHECK(right && closed == VW_ERR_ARG, VW_ERR_INPUT, "%s was not refused", wrong[i].data.path);
    vw_error_clear();
  }
  return VW_OK;
}

static vw_status read_words(vw_study_reader *reader, const char *path, int64_t width) {
  const vw_study_data *d = vw_study_reader_find(reader, path);
  float *x = NULL;
  bool same = true;
  VW_CHECK(d && d->dtype == VW_F32 && d->ndim == 2 && d->dim[0] == N && d->dim[1] == width, VW_ERR_INPUT, "%s", path);
  VW_CHECK(strcmp(d->units, "1") == 0 && strcmp(d->description, "learned words") == 0, VW_ERR_INPUT, "units");
  VW_TRY(vw_study_reader_read(reader, path, (void **)&x));
  for (int64_t i = 0; i < N; i++)
    for (int64_t c = 0; c < width; c++)
      same = same && (i < 36 ? x[i * width + c] == value(i, c) : isnan(x[i * width + c]));
  free(x);
  VW_CHECK(same, VW_ERR_INPUT, "%s: values", path);
  return VW_OK;
}

static vw_status read_study(const char *path) {
  vw_study_reader *reader = NULL;
  char *ids = NULL, *plan = NULL;
  int64_t *ns = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_study_reader_open(path, &reader));
  VW_GOTO(vw_study_reader_count(reader) == 9 ? VW_OK : VW_RAISE(VW_ERR_INPUT, "9 data sets"));
  VW_GOTO(strcmp(vw_study_reader_data(reader, 0)->path, "/config/nothing") ? VW_RAISE(VW_ERR_INPUT, "order") : VW_OK);
  VW_GOTO(read_words(reader, "/trials/words/clip", WIDTH));
  VW_GOTO(read_words(reader, "/trials/history/clip", POINTS));
  VW_GOTO(vw_study_reader_read(reader, "/trials/id", (void **)&ids));
  VW_GOTO(strcmp(ids + 7 * ID, "mot-\xc3\xa9-07") ? VW_RAISE(VW_ERR_INPUT, "id of row 7: %s", ids + 7 * ID) : VW_OK);
  VW_GOTO(vw_study_reader_read(reader, "/trials/ns", (void **)&ns));
  VW_GOTO(ns[35] != INT64_C(5000000035) ? VW_RAISE(VW_ERR_INPUT, "ns of row 35") : VW_OK);
  VW_GOTO(vw_study_reader_read(reader, "/config/plan", (void **)&plan));
  VW_GOTO(strlen(plan) != 200000 || plan[199999] != 'p' ? VW_RAISE(VW_ERR_INPUT, "plan") : VW_OK);
cleanup:
  free(ids), free(ns), free(plan);
  vw_study_reader_close(reader);
  return st;
}

int main(int argc, char **argv) {
  vw_ranks r;
  if (argc < 3) return 2;
  const bool alone = !strcmp(argv[1], "single") || !strcmp(argv[1], "read") || !strcmp(argv[1], "refuse");
  vw_ranks_single(&r);
  vw_status st = alone ? VW_OK : vw_ranks_open(&r, &argc, &argv);
  limit_is_hidden = strcmp(argv[1], "break") == 0;
  if (strcmp(argv[1], "full") == 0 || limit_is_hidden) {
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){20000, 20000});
  }
  if (st == VW_OK && strcmp(argv[1], "refuse") == 0)
    st = refuse_all(&r, argv[2]);
  else if (st == VW_OK)
    st = strcmp(argv[1], "read") ? write_study(&r, argv[2], !strcmp(argv[1], "fail")) : read_study(argv[2]);
  if (st != VW_OK) (void)fprintf(stderr, "rank %d: %s\n", r.rank, vw_error_message());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
