#include "cluster/watchdog.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster/comm.h"
#include "cluster/progress.h"
#include "core/pulse.h"

enum { TAG = 0 };
static const double longest_beat = 10, beats_a_limit = 8, most_seconds = 1e7;
/* A launcher takes a while to end a job: as long as that nobody raises another alarm. */
static const double ending_takes = 60;

typedef enum state { RUNS, LEAVES, ENDS_THE_JOB } state;

/* A sign of life. */
typedef struct beat {
  vw_pulse_state pulse;
  char host[VW_HOST_BYTES];
  int64_t state; /* LEAVES: it has come to vw_watchdog_stop, this is its last sign; ENDS_THE_JOB: it or a rank that it
                  * listens to has raised the alarm */
} beat;

/* What is known of a rank. Times are those of vw_seconds here. */
typedef struct watched {
  beat last;
  double heard, moved; /* when the last sign came; when its pulse was last seen to have moved */
} watched;

typedef struct post {
  beat text;
  MPI_Request request;
  int to; /* rank; -1: nobody */
  bool said_last;
} post;

struct vw_watchdog {
  const vw_ranks *ranks;
  double limit, beat, looked;
  vw_watchdog_alarm *alarm;
  void *user;
  MPI_Comm comm;   /* the thread's own */
  bool has_comm;   /* signs are exchanged */
  int before;      /* the rank that this one listens to */
  watched *others; /* [size]; elsewhere than on rank 0 of which `before` and this one are used */
  bool is_over;    /* the alarm is raised, here or elsewhere */
  post posts[2];
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool ending;           /* under the mutex */
  atomic_bool abandoned; /* a rank has no thread: nobody waits for last signs */
};

/* ---- what is said ---- */

static void describe(char text[VW_WATCHDOG_TEXT], int rank, const beat *b, const char *what, double seconds) {
  const vw_pulse_state *p = &b->pulse;
  int n = snprintf(text, VW_WATCHDOG_TEXT, "rank %d on %s %s for %s: %s%s", rank, b->host, what,
                   vw_duration_text(seconds), p->stage[0] ? "stage " : "at the start", p->stage);
  if (p->item[0]) n += snprintf(text + n, (size_t)(VW_WATCHDOG_TEXT - n), ", %s", p->item);
  if (p->step > 0) (void)snprintf(text + n, (size_t)(VW_WATCHDOG_TEXT - n), ", step %" PRId64, p->step);
}

/* ---- signs of life ---- */

static void own_beat(vw_watchdog *w, bool leaves, double now) {
  watched *self = &w->others[w->ranks->rank];
  const uint64_t count = self->last.pulse.count;
  vw_pulse_read(&self->last.pulse);
  (void)snprintf(self->last.host, sizeof self->last.host, "%s", w->ranks->host);
  self->last.state = w->is_over ? ENDS_THE_JOB : leaves ? LEAVES : RUNS, self->heard = now;
  if (self->last.pulse.count != count) self->moved = now;
}

/* A sign that cannot leave yet (its reader is stopped) is not followed by others: they would pile up. */
static void send(vw_watchdog *w) {
  for (int i = 0; i < 2; i++) {
    post *p = &w->posts[i];
    int is_free = 1;
    if (p->to < 0 || p->said_last) continue;
    if (MPI_Test(&p->request, &is_free, MPI_STATUS_IGNORE) != MPI_SUCCESS || !is_free) continue;
    p->text = w->others[w->ranks->rank].last;
    if (MPI_Isend(&p->text, sizeof p->text, MPI_BYTE, p->to, TAG, w->comm, &p->request) == MPI_SUCCESS)
      p->said_last = p->text.state != RUNS;
  }
}

static void receive(vw_watchdog *w, double now) {
  for (;;) {
    MPI_Status from;
    beat b;
    int is_here = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, TAG, w->comm, &is_here, &from) != MPI_SUCCESS || !is_here) return;
    if (MPI_Recv(&b, sizeof b, MPI_BYTE, from.MPI_SOURCE, TAG, w->comm, MPI_STATUS_IGNORE) != MPI_SUCCESS) return;
    watched *who = &w->others[from.MPI_SOURCE];
    if (b.pulse.count != who->last.pulse.count) who->moved = now;
    who->last = b, who->heard = now, w->is_over |= b.state == ENDS_THE_JOB;
  }
}

/* ---- what is an alarm ---- */

/* Ranks of a node that hangs see it at the same moment: the first that says so ends the job. */
static double patience(const vw_watchdog *w) {
  return w->limit + w->beat * w->ranks->rank / w->ranks->size + (w->is_over ? ending_takes : 0);
}

static bool stands_still(const vw_watchdog *w, double now, bool is_ending, char text[VW_WATCHDOG_TEXT]) {
  const int rank = w->ranks->rank;
  const watched *self = &w->others[rank], *before = &w->others[w->before];
  double moved = 0;
  if (w->has_comm && before->last.state != LEAVES && now - before->heard > patience(w)) {
    describe(text, w->before, &before->last, "has given no sign of life", now - before->heard);
    return true;
  }
  if (is_ending) return false;
  const bool may_wait = w->ranks->size > 1 && self->last.pulse.waits;
  if (!may_wait && now - self->moved > patience(w)) {
    describe(text, rank, &self->last, "has not moved", now - self->moved);
    return true;
  }
  if (!w->has_comm || rank != 0) return false;
  int stuck = 0;
  for (int i = 0; i < w->ranks->size; i++) {
    moved = fmax(moved, w->others[i].moved);
    if (w->others[stuck].last.pulse.waits && !w->others[i].last.pulse.waits) stuck = i;
  }
  if (now - moved <= patience(w) + 2 * w->beat) return false;
  describe(text, stuck, &w->others[stuck].last, "and all others have not moved", now - moved);
  return true;
}

/* The thread that watches was itself stopped, or could not run: what it did not hear is nobody's fault. */
static void forgive(vw_watchdog *w, double now) {
  const double lost = now - w->looked - w->beat;
  w->looked = now;
  if (lost < w->beat) return;
  for (int i = 0; i < w->ranks->size; i++) w->others[i].heard += lost, w->others[i].moved += lost;
}

/* ---- the thread ---- */

/* Waits a beat, or until it is to end. */
static bool sleep_a_beat(vw_watchdog *w) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  const double until = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec + w->beat;
  t.tv_sec = (time_t)until, t.tv_nsec = (long)((until - floor(until)) * 1e9);
  (void)pthread_mutex_lock(&w->mutex);
  while (!w->ending && pthread_cond_timedwait(&w->wake, &w->mutex, &t) == 0) {}
  const bool ending = w->ending;
  (void)pthread_mutex_unlock(&w->mutex);
  return ending;
}

/* Everybody whose signs come here has sent the last one, and the own ones have left. */
static bool is_through(vw_watchdog *w) {
  for (int i = 0; i < 2; i++) {
    int is_free = 1;
    if (w->posts[i].to < 0) continue;
    if (!w->posts[i].said_last) return false;
    if (MPI_Test(&w->posts[i].request, &is_free, MPI_STATUS_IGNORE) != MPI_SUCCESS || !is_free) return false;
  }
  for (int i = 0; i < w->ranks->size; i++) {
    const bool is_heard = i == w->before || w->ranks->rank == 0;
    if (i != w->ranks->rank && is_heard && w->others[i].last.state == RUNS) return false;
  }
  return true;
}

/* The others hear of it first, so that the job ends with one message. */
static void raise_alarm(vw_watchdog *w, const char *text) {
  static const struct timespec nap = {.tv_nsec = 20000000};
  w->is_over = true;
  own_beat(w, false, vw_seconds());
  for (int i = 0; w->has_comm && i < 2; i++) {
    send(w);
    (void)nanosleep(&nap, NULL);
  }
  w->alarm(w->user, text, w->others[w->ranks->rank].last.pulse.kept);
}

static void *watch(void *argument) {
  static const struct timespec nap = {.tv_nsec = 1000000};
  vw_watchdog *w = argument;
  char text[VW_WATCHDOG_TEXT];
  for (bool ending = false;;) {
    if (ending) /* the others come within moments, mostly */
      (void)nanosleep(&nap, NULL);
    else
      ending = sleep_a_beat(w);
    const double now = vw_seconds();
    forgive(w, now);
    own_beat(w, ending, now);
    if (w->has_comm) receive(w, now), send(w);
    if (ending && (!w->has_comm || atomic_load(&w->abandoned) || is_through(w))) return NULL;
    if (!stands_still(w, now, ending, text)) continue;
    raise_alarm(w, text);
    return NULL;
  }
}

/* ---- start, stop ---- */

static vw_status start_thread(vw_watchdog *w) {
  pthread_condattr_t attributes;
  sigset_t all, old;
  (void)pthread_mutex_init(&w->mutex, NULL);
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&w->wake, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  (void)sigfillset(&all), (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the thread that trains */
  const int err = pthread_create(&w->thread, NULL, watch, w);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  VW_CHECK(err == 0, VW_ERR_MEMORY, "watchdog: cannot start a thread: %s", strerror(err));
  return VW_OK;
}

static void end_thread(vw_watchdog *w) {
  (void)pthread_mutex_lock(&w->mutex);
  w->ending = true;
  (void)pthread_cond_signal(&w->wake);
  (void)pthread_mutex_unlock(&w->mutex);
  (void)pthread_join(w->thread, NULL);
  (void)pthread_mutex_destroy(&w->mutex), (void)pthread_cond_destroy(&w->wake);
}

static vw_status create(const vw_ranks *ranks, double seconds, vw_watchdog **out) {
  vw_watchdog *w = calloc(1, sizeof *w);
  VW_CHECK(w, VW_ERR_MEMORY, "watchdog: out of memory");
  w->others = calloc((size_t)ranks->size, sizeof *w->others);
  w->ranks = ranks, w->limit = seconds, w->looked = vw_seconds();
  w->beat = fmin(seconds / beats_a_limit, longest_beat);
  w->before = (ranks->rank + ranks->size - 1) % ranks->size;
  const int next = (ranks->rank + 1) % ranks->size;
  w->posts[0] = (post){.to = next, .request = MPI_REQUEST_NULL};
  w->posts[1] = (post){.to = ranks->rank == 0 || next == 0 ? -1 : 0, .request = MPI_REQUEST_NULL};
  *out = w;
  VW_CHECK(w->others, VW_ERR_MEMORY, "watchdog: out of memory");
  for (int i = 0; i < ranks->size; i++) {
    w->others[i].heard = w->others[i].moved = w->looked;
    (void)snprintf(w->others[i].last.host, sizeof w->others[i].last.host, "an unknown host");
  }
  return VW_OK;
}

static vw_status open_comm(vw_watchdog *w) {
  if (w->ranks->size == 1 || !w->ranks->threads) return VW_OK;
  VW_TRY(VW_MPI(MPI_Comm_dup, w->ranks->comms->all, &w->comm));
  w->has_comm = true;
  return VW_MPI(MPI_Comm_set_errhandler, w->comm, MPI_ERRORS_RETURN);
}

static void release(vw_watchdog *w) {
  if (w && w->has_comm) (void)MPI_Comm_free(&w->comm);
  if (w) free(w->others);
  free(w);
}

vw_status vw_watchdog_start(const vw_ranks *ranks, double seconds, vw_watchdog_alarm *alarm, void *user,
                            vw_watchdog **out) {
  vw_watchdog *w = NULL;
  *out = NULL;
  VW_CHECK(seconds >= 0 && seconds <= most_seconds, VW_ERR_ARG, "watchdog: %g seconds; 0 to %g are possible", seconds,
           most_seconds);
  if (seconds == 0) return VW_OK;
  vw_status st = vw_agree_message(ranks, create(ranks, seconds, &w));
  if (st == VW_OK) st = vw_agree_message(ranks, open_comm(w));
  if (st == VW_OK) {
    w->alarm = alarm, w->user = user;
    const vw_status mine = start_thread(w);
    st = vw_agree_message(ranks, mine);
    if (st != VW_OK && mine == VW_OK) {
      atomic_store(&w->abandoned, true);
      end_thread(w);
    }
  }
  if (st != VW_OK) {
    release(w);
    return st;
  }
  *out = w;
  return VW_OK;
}

void vw_watchdog_stop(vw_watchdog *w) {
  if (!w) return;
  vw_pulse_wait();
  end_thread(w);
  vw_pulse_resume();
  release(w);
}
