#include "core/fault.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/log.h"
#include "core/pulse.h"

enum { MOST = 8, TEXT_BYTES = 512 };

typedef enum action { KILL, TORN, TERM, USR1, PAUSE, TELL, NO_SPACE, NO_QUOTA, READ_ONLY, NO_DISK, ACTIONS } action;
static const char *const action_name[ACTIONS] = {"kill", "torn",   "term",   "usr1",  "pause",
                                                 "tell", "enospc", "edquot", "erofs", "eio"};
static const int refusal[ACTIONS] = {[NO_SPACE] = ENOSPC, [NO_QUOTA] = EDQUOT, [READ_ONLY] = EROFS, [NO_DISK] = EIO};
static const char *const states[] = {"writing", "written",   "fsynced", "renamed", "checkpointing", "taking",
                                     "looking", "gathering", "reading", "drawing", "telling",       "any"};
enum { STATES = sizeof states / sizeof *states, ANY = STATES - 1 };

/* Partial files carry the name of what they will be, and more behind it. A block's name ends in a hexadecimal digit. */
static const struct {
  const char *name, *pattern;
} kinds[] = {{"any", "*"},
             {"features", "*/features/*"},
             {"texts", "*/texts/*"},
             {"plan", "*/plan.yaml*"},
             {"lock", "*/.lock*"},
             {"block", "*/blocks/*[0-9a-f].safetensors*"},
             {"evaluation", "*/blocks/*-evaluation.safetensors*"},
             {"baselines", "*/blocks/*-baselines.safetensors*"},
             {"checkpoint", "*/blocks/*.checkpoint.*"},
             {"manifest", "*/MANIFEST.json*"},
             {"study", "*/study.h5*"},
             {"table", "*/summary.csv*"},
             {"latents", "*/latents/*"},
             {"activations", "*/blocks/*-activations.safetensors*"},
             {"carried", "*/blocks/*-carried.safetensors*"},
             {"map", "*/blocks/*-map.safetensors*"},
             {"truncated", "*/blocks/*-truncated.safetensors*"},
             {"tsne", "*/blocks/*-tsne.safetensors*"},
             {"picture", "*/pictures/*.png*"},
             {"report", "*/report.html*"},
             {"figure", "*/figures/*"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct fault {
  int state, kind;
  int64_t nth, seen;
  action action;
} fault;

static struct {
  bool is_read;
  int n;
  fault fault[MOST];
} asked;

void vw_fault_reset(void) {
  asked.is_read = false, asked.n = 0;
}

/* ---- the variable ---- */

static vw_status malformed(const char *text, const char *what) {
  return VW_RAISE(VW_ERR_ARG,
                  "VISWORDS_FAULT: '%.80s': %s; expected state[:kind[:nth]]=action[,...] (src/core/fault.h lists them)",
                  text, what);
}

static int find(const char *const *names, int n, const char *name) {
  for (int i = 0; name && i < n; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

/* `one` is taken apart in place; `text` is what the user wrote. */
static vw_status read_one(char *one, const char *text, fault *f) {
  char *equals = strchr(one, '='), *rest = NULL, *end = NULL;
  if (!equals) return malformed(text, "no '='");
  *equals = 0;
  *f = (fault){.nth = 1};
  f->state = find(states, STATES, strtok_r(one, ":", &rest));
  if (f->state < 0) return malformed(text, "unknown state");
  const char *kind = strtok_r(NULL, ":", &rest), *nth = strtok_r(NULL, ":", &rest);
  for (f->kind = 0; kind && f->kind < KINDS && strcmp(kinds[f->kind].name, kind) != 0; f->kind++) {}
  if (f->kind == KINDS) return malformed(text, "unknown kind of file");
  errno = 0;
  if (nth) f->nth = strtoll(nth, &end, 10);
  if (nth && (end == nth || *end || errno || f->nth < 0)) return malformed(text, "nth is no count");
  if (strtok_r(NULL, ":", &rest)) return malformed(text, "more than three parts before '='");
  const int a = find(action_name, ACTIONS, equals + 1);
  if (a < 0) return malformed(text, "unknown action");
  f->action = (action)a;
  return VW_OK;
}

static vw_status read_variable(void) {
  const char *text = getenv("VISWORDS_FAULT");
  char copy[TEXT_BYTES], *rest = NULL;
  if (text && strlen(text) >= sizeof copy) return malformed(text, "too long");
  (void)snprintf(copy, sizeof copy, "%s", text ? text : "");
  asked.n = 0;
  for (char *one = strtok_r(copy, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
    if (asked.n == MOST) return malformed(text, "more than 8 faults");
    VW_TRY(read_one(one, text, &asked.fault[asked.n]));
    asked.n++;
  }
  asked.is_read = true; /* a malformed one is refused at every state, not once */
  return VW_OK;
}

/* ---- what happens ---- */

/* Of a coverage build (whose linking asks for it): a process that is killed writes no counts unless asked to. */
extern void __gcov_dump(void) __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

_Noreturn static void die(void) {
  if (__gcov_dump) __gcov_dump();
  (void)kill(getpid(), SIGKILL);
  for (;;) (void)pause();
}

_Noreturn void vw_fault_exit(int code) {
  if (__gcov_dump) __gcov_dump();
  _exit(code);
}

static void no_more(int signal_number) {
  (void)signal_number;
}

/* Signals are held back from the message on, so that none is lost between it and the wait. */
static void wait_for_signal(const char *state, const char *path) {
  struct sigaction a = {.sa_handler = no_more};
  sigset_t all, old;
  (void)sigemptyset(&a.sa_mask), (void)sigfillset(&all);
  (void)sigaction(SIGRTMIN, &a, NULL);
  (void)sigprocmask(SIG_SETMASK, &all, &old);
  vw_log(VW_LOG_WARN, "fault: pid %ld paused at %s of %s", (long)getpid(), state, path);
  (void)sigsuspend(&old);
  (void)sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The path stands last: it may hold blanks. */
static void tell(const char *state, const char *path) {
  vw_pulse_state now;
  int kind = KINDS - 1;
  while (kind > 0 && fnmatch(kinds[kind].pattern, path, 0) != 0) kind--;
  vw_pulse_read(&now);
  vw_log(VW_LOG_INFO, "fault point: stage=%s state=%s kind=%s path=%s", now.stage, state, kinds[kind].name, path);
}

static vw_status act(const fault *f, const char *state, const char *path) {
  struct stat info;
  switch (f->action) {
  case TORN:
    if (stat(path, &info) == 0) (void)!truncate(path, info.st_size / 2);
    die();
  case KILL:
    die();
  case TERM:
    (void)raise(SIGTERM);
    return VW_OK;
  case USR1:
    (void)raise(SIGUSR1);
    return VW_OK;
  case PAUSE:
    wait_for_signal(state, path);
    return VW_OK;
  case TELL:
    tell(state, path);
    return VW_OK;
  case NO_SPACE:
  case NO_QUOTA:
  case READ_ONLY:
  case NO_DISK:
  default:
    return VW_RAISE(VW_ERR_IO, "%s: %s: %s%s (injected)", path, state, strerror(refusal[f->action]),
                    vw_way_out(refusal[f->action]));
  }
}

vw_status vw_fault_reach(const char *state, const char *path) {
  if (!asked.is_read) VW_TRY(read_variable());
  for (int i = 0; i < asked.n; i++) {
    fault *f = &asked.fault[i];
    if ((f->state != ANY && strcmp(states[f->state], state) != 0) || fnmatch(kinds[f->kind].pattern, path, 0) != 0)
      continue;
    f->seen++;
    if (f->nth == 0 || f->seen == f->nth) VW_TRY(act(f, state, path));
  }
  return VW_OK;
}

double vw_fault_read_seconds(const char *variable, double otherwise) {
  const char *text = getenv(variable);
  char *end = NULL;
  const double seconds = text ? strtod(text, &end) : 0;
  return text && end != text && !*end && seconds > 0 ? seconds : otherwise;
}
