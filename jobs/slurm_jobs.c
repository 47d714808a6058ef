#include "jobs/slurm_jobs.h"

#include "core/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- programs ---------------------------------------------------------------------------------------------------- */

_Noreturn static void become(const char *const *argv, bool quiet, int out) {
  const int nothing = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
  if (dup2(out, STDOUT_FILENO) < 0 || (nothing >= 0 && dup2(nothing, STDERR_FILENO) < 0)) _exit(127);
  (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
  _exit(127);
}

static vw_status read_all(int fd, char **text) {
  enum { PIECE = 4096 };
  size_t size = 0, room = 0;
  for (ssize_t got = 1; got != 0;) {
    if (room < size + PIECE) {
      char *more = realloc(*text, room = 2 * room + PIECE + 1);
      VW_CHECK(more, VW_ERR_MEMORY, "out of memory");
      *text = more;
    }
    got = read(fd, *text + size, room - size - 1);
    VW_CHECK(got >= 0 || errno == EINTR, VW_ERR_IO, "cannot read what a program prints: %s", strerror(errno));
    if (got > 0) size += (size_t)got;
  }
  (*text)[size] = 0;
  return VW_OK;
}

vw_status vw_run_program(const char *const *argv, bool quiet, char **text, int *code) {
  int ends[2], state = 0;
  *text = NULL, *code = 127;
  VW_CHECK(pipe2(ends, O_CLOEXEC) == 0, VW_ERR_IO, "%s: cannot be started: %s", argv[0], strerror(errno));
  (void)fflush(NULL);
  const pid_t child = fork();
  if (child == 0) become(argv, quiet, ends[1]);
  (void)close(ends[1]);
  vw_status st =
      child > 0 ? read_all(ends[0], text) : VW_RAISE(VW_ERR_IO, "%s: cannot be started: %s", argv[0], strerror(errno));
  (void)close(ends[0]);
  while (child > 0 && waitpid(child, &state, 0) < 0 && errno == EINTR) {}
  if (child > 0) *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  if (st != VW_OK) free(*text), *text = NULL;
  return st;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool is_job(const vw_slurm_job *j) {
  return j->id[0] && strspn(j->id, "0123456789") == strlen(j->id);
}

vw_status vw_slurm_jobs_read(const char *dir, vw_slurm_jobs *jobs) {
  char path[VW_PATH_BYTES], *text = NULL, *rest = NULL;
  bool is_there = false;
  *jobs = (vw_slurm_jobs){0};
  VW_TRY(vw_path_format(path, "%s/slurm-jobs.txt", dir));
  VW_TRY(vw_file_find_plain(path, &is_there));
  if (!is_there) return VW_OK;
  VW_TRY(vw_file_read(path, &text, NULL));
  vw_status st = VW_OK;
  int64_t lines = 0;
  for (const char *p = text; *p; p++) lines += *p == '\n';
  jobs->job = calloc((size_t)lines + 1, sizeof *jobs->job);
  if (!jobs->job) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  for (char *line = strtok_r(text, "\n", &rest); st == VW_OK && line; line = strtok_r(NULL, "\n", &rest)) {
    vw_slurm_job *j = &jobs->job[jobs->n++];
    if (sscanf(line, "%31s %31s", j->id, j->what) != 2 || !is_job(j))
      st = VW_RAISE(VW_ERR_INPUT, "%s: '%.60s' is no job: expected its number and what it does; delete the line", path,
                    line);
  }
  free(text);
  return st;
}

static void count_task(vw_slurm_jobs *jobs, const char *line) {
  char id[VW_SLURM_TEXT], state[VW_SLURM_TEXT];
  if (sscanf(line, "%31s %31s", id, state) != 2) return;
  for (int64_t i = 0; i < jobs->n; i++) {
    vw_slurm_job *j = &jobs->job[i];
    if (strcmp(j->id, id) != 0) continue;
    jobs->active += j->active == 0;
    j->active++;
    if (!j->state[0] || !strcmp(state, "RUNNING")) memcpy(j->state, state, sizeof state);
  }
}

void vw_slurm_jobs_count(vw_slurm_jobs *jobs, char *text) {
  static const char *const over[] = {"COMPLETED", "CANCELLED", "FAILED",        "TIMEOUT",   "NODE_FAIL",
                                     "PREEMPTED", "DEADLINE",  "OUT_OF_MEMORY", "BOOT_FAIL", "COMPLETING"};
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    const char *state = strchr(line, ' ');
    bool is_over = !state;
    for (size_t i = 0; state && i < sizeof over / sizeof *over; i++) is_over |= !strcmp(state + 1, over[i]);
    if (!is_over) count_task(jobs, line);
  }
}

/* Jobs that have ended are not in the queue; Slurm's accounting is not everywhere. */
static vw_status ask_queue(vw_slurm_jobs *jobs) {
  char user[VW_SLURM_TEXT], *text = NULL;
  int code = 0;
  (void)snprintf(user, sizeof user, "--user=%lld", (long long)getuid());
  const char *const argv[] = {"squeue", "--noheader", "--array", "--states=all", "--format=%F %T", user, NULL};
  VW_TRY(vw_run_program(argv, true, &text, &code));
  jobs->is_known = code == 0;
  if (jobs->is_known) vw_slurm_jobs_count(jobs, text);
  free(text);
  return VW_OK;
}

vw_status vw_slurm_jobs_look(const char *dir, vw_slurm_jobs *jobs) {
  VW_TRY(vw_slurm_jobs_read(dir, jobs));
  return jobs->n ? ask_queue(jobs) : VW_OK;
}

void vw_slurm_jobs_free(vw_slurm_jobs *jobs) {
  free(jobs->job);
  *jobs = (vw_slurm_jobs){0};
}

vw_status vw_slurm_jobs_add(const char *dir, const char *lines) {
  char path[VW_PATH_BYTES], *old = NULL, *all = NULL;
  bool is_there = false;
  VW_TRY(vw_path_format(path, "%s/slurm-jobs.txt", dir));
  VW_TRY(vw_file_find_plain(path, &is_there));
  if (is_there) VW_TRY(vw_file_read(path, &old, NULL));
  const int bytes = asprintf(&all, "%s%s", old ? old : "", lines);
  vw_status st = bytes >= 0 ? vw_file_write(path, all, bytes) : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  if (bytes >= 0) free(all);
  free(old);
  return st;
}
