#include "cluster/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/comm.h"
#include "core/pulse.h"

enum { NEXT, DONE, WORDS };
enum { NAP_NS = 1000, IDLE_NS = 200000, NAPS = 50, LOOK_NS = 50000000 };
/* One rank stops at most once, so 2^40 items and 2^22 ranks fit into 63 bits. */
static const int64_t STOP = INT64_C(1) << 40;

/* One request under way: an atomic add to a word on rank 0 that brings back what was there before. */
typedef struct remote_add {
  MPI_Request request;
  int64_t add, before;
  bool busy;
} remote_add;

struct vw_queue {
  const vw_ranks *ranks;
  int64_t n_items;
  int64_t local[WORDS]; /* the words themselves when there is one rank */
  int64_t *word;        /* rank 0: the window's memory, or `local`; NULL elsewhere */
  MPI_Win window;
  MPI_Comm comm; /* the progress thread's own: it never takes a message meant for others */
  bool has_window, is_locked, has_thread;
  remote_add take, report, look, halt;
  int64_t unreported; /* done here, not yet sent */
  int64_t done_seen;
  int64_t looked_ns; /* when the stop word was last asked for */
  bool is_stopped;
  atomic_bool signalled;
  atomic_bool ending; /* tells the thread to leave */
  pthread_t thread;
};

static int64_t now_ns(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Rank 0's processor writes these words on behalf of the others, possibly from another process (shared memory). */
static int64_t own_word(const vw_queue *q, int i) {
  return __atomic_load_n(&q->word[i], __ATOMIC_ACQUIRE);
}

/* ---- one-sided adds ---- */

static vw_status add_start(vw_queue *q, remote_add *a, int word, int64_t add) {
  a->add = add;
  if (!q->has_window) {
    a->before = q->local[word];
    q->local[word] += add;
    a->request = MPI_REQUEST_NULL, a->busy = true;
    return VW_OK;
  }
  VW_TRY(VW_MPI(MPI_Rget_accumulate, &a->add, 1, MPI_INT64_T, &a->before, 1, MPI_INT64_T, 0, word, 1, MPI_INT64_T,
                add ? MPI_SUM : MPI_NO_OP, q->window, &a->request));
  a->busy = true;
  return VW_OK;
}

/* Is the answer here? Never waits. */
static vw_status add_test(vw_queue *q, remote_add *a, bool *is_here) {
  int flag = 1;
  *is_here = false;
  if (!a->busy) return VW_OK;
  if (q->has_window) VW_TRY(VW_MPI(MPI_Test, &a->request, &flag, MPI_STATUS_IGNORE));
  if (!flag) return VW_OK;
  a->busy = false, *is_here = true;
  return VW_OK;
}

static vw_status add_wait(vw_queue *q, remote_add *a) {
  vw_status st = VW_OK;
  if (a->busy && q->has_window) { /* the checker does not follow add_start's MPI_Rget_accumulate */
    vw_pulse_wait();
    st = VW_MPI(MPI_Wait, &a->request, MPI_STATUS_IGNORE); /* NOLINT(clang-analyzer-optin.mpi.MPI-Checker) */
    vw_pulse_resume();
  }
  if (st == VW_OK) a->busy = false;
  return st;
}

/* ---- the thread that lets MPI move on rank 0 ---- */

/* Naps for 1 us while the words change (a yield would wait for the thread that computes: measured 1,300 against 3,400
 * takes a second over TCP, two busy cores) and for 200 us when they do not: next to no load. */
static void *progress(void *argument) {
  vw_queue *q = argument;
  int64_t seen = 0;
  for (int quiet = 0; !atomic_load(&q->ending); quiet += quiet < NAPS) {
    int flag = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, q->comm, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
    const int64_t sum = own_word(q, NEXT) + own_word(q, DONE);
    if (sum != seen) seen = sum, quiet = 0;
    (void)nanosleep(&(struct timespec){.tv_nsec = quiet < NAPS ? NAP_NS : IDLE_NS}, NULL);
  }
  return NULL;
}

/* Signals go to the thread that trains. */
static vw_status start_thread(vw_queue *q) {
  sigset_t all, old;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  const int err = pthread_create(&q->thread, NULL, progress, q);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  VW_CHECK(err == 0, VW_ERR_MEMORY, "queue: cannot start the progress thread (error %d)", err);
  q->has_thread = true;
  return VW_OK;
}

/* ---- create, destroy ---- */

static vw_status duplicate(vw_queue *q) {
  VW_TRY(VW_MPI(MPI_Comm_dup, q->ranks->comms->all, &q->comm));
  return VW_MPI(MPI_Comm_set_errhandler, q->comm, MPI_ERRORS_RETURN);
}

/* Ranks agree before each call that needs all of them. What only some of them got cannot be given back, which needs all
 * too: MPI keeps it, and the run ends anyway. */
static vw_status open_window(vw_queue *q) {
  const MPI_Aint bytes = q->ranks->rank == 0 ? WORDS * (MPI_Aint)sizeof(int64_t) : 0;
  void *base = NULL;
  VW_TRY(vw_agree_message(q->ranks, duplicate(q)));
  VW_TRY(vw_agree_message(
      q->ranks, VW_MPI(MPI_Win_allocate, bytes, (int)sizeof(int64_t), MPI_INFO_NULL, q->comm, &base, &q->window)));
  q->has_window = true;
  VW_TRY(VW_MPI(MPI_Win_set_errhandler, q->window, MPI_ERRORS_RETURN));
  VW_TRY(VW_MPI(MPI_Win_lock_all, MPI_MODE_NOCHECK, q->window));
  q->is_locked = true;
  if (q->ranks->rank == 0) {
    q->word = base;
    for (int i = 0; i < WORDS; i++) __atomic_store_n(&q->word[i], 0, __ATOMIC_RELEASE);
    VW_TRY(VW_MPI(MPI_Win_sync, q->window));
    if (q->ranks->threads) VW_TRY(start_thread(q));
  }
  return VW_OK;
}

vw_status vw_queue_create(const vw_ranks *ranks, int64_t n_items, vw_queue **out) {
  vw_queue *q = NULL;
  *out = NULL;
  VW_CHECK(n_items >= 0 && n_items < STOP, VW_ERR_ARG, "queue: %lld items; 0 to 2^40 are possible", (long long)n_items);
  q = calloc(1, sizeof *q);
  vw_status st = q ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "queue: out of memory");
  st = vw_agree_message(ranks, st);
  if (st != VW_OK || !q) {
    free(q);
    return st;
  }
  q->ranks = ranks, q->n_items = n_items;
  atomic_init(&q->signalled, false), atomic_init(&q->ending, false);
  if (ranks->size == 1) {
    q->word = q->local;
  } else {
    vw_pulse_wait();
    st = open_window(q);
    vw_pulse_resume();
  }
  st = vw_agree_message(ranks, st); /* also the barrier: rank 0's words are zero before anybody adds */
  if (st == VW_OK)
    *out = q;
  else
    vw_queue_destroy(q);
  return st;
}

void vw_queue_destroy(vw_queue *q) {
  if (!q) return;
  vw_pulse_wait();
  if (q->has_window) {
    remote_add *const all[] = {&q->take, &q->report, &q->look, &q->halt};
    for (int i = 0; i < 4; i++) (void)add_wait(q, all[i]);
    if (q->unreported && add_start(q, &q->report, DONE, q->unreported) == VW_OK) (void)add_wait(q, &q->report);
    if (q->is_locked) (void)MPI_Win_flush_all(q->window);
    (void)MPI_Barrier(q->comm); /* rank 0 serves until everybody is through */
  }
  if (q->has_thread) {
    atomic_store(&q->ending, true);
    (void)pthread_join(q->thread, NULL);
  }
  if (q->has_window) {
    if (q->is_locked) (void)MPI_Win_unlock_all(q->window);
    (void)MPI_Win_free(&q->window);
    (void)MPI_Comm_free(&q->comm);
  }
  vw_pulse_resume();
  free(q);
}

/* ---- what ranks call while they work ---- */

/* What every call does first: passes a signal on, collects answers that have arrived, sends what has piled up. */
static vw_status advance(vw_queue *q) {
  bool is_here = false;
  int flag = 0;
  if (q->has_window && !q->has_thread) /* moves what others ask of rank 0, where no thread does */
    VW_TRY(VW_MPI(MPI_Iprobe, MPI_ANY_SOURCE, MPI_ANY_TAG, q->comm, &flag, MPI_STATUS_IGNORE));
  if (atomic_exchange(&q->signalled, false)) VW_TRY(vw_queue_stop(q));
  VW_TRY(add_test(q, &q->look, &is_here));
  if (is_here && q->look.before >= STOP) q->is_stopped = true;
  VW_TRY(add_test(q, &q->halt, &is_here));
  VW_TRY(add_test(q, &q->report, &is_here));
  if (is_here && q->report.before + q->report.add > q->done_seen) q->done_seen = q->report.before + q->report.add;
  if (q->unreported && !q->report.busy) {
    const int64_t n = q->unreported;
    q->unreported = 0;
    VW_TRY(add_start(q, &q->report, DONE, n));
  }
  return VW_OK;
}

vw_status vw_queue_ask(vw_queue *q) {
  VW_TRY(advance(q));
  if (!q->take.busy && !q->is_stopped) VW_TRY(add_start(q, &q->take, NEXT, 1));
  return VW_OK;
}

/* What has been heard of a stop word; asks again from time to time. */
static vw_status hear_stop(vw_queue *q, bool *is_stopped) {
  VW_TRY(advance(q));
  if (!q->is_stopped && q->word && own_word(q, NEXT) >= STOP) q->is_stopped = true;
  if (!q->is_stopped && !q->word && !q->look.busy && now_ns() - q->looked_ns > LOOK_NS) {
    q->looked_ns = now_ns();
    VW_TRY(add_start(q, &q->look, NEXT, 0));
  }
  *is_stopped = q->is_stopped;
  return VW_OK;
}

vw_status vw_queue_take(vw_queue *q, int64_t *index) {
  bool is_stopped = false;
  *index = -1;
  VW_TRY(vw_queue_ask(q));
  if (q->take.busy) {
    VW_TRY(add_wait(q, &q->take));
    if (q->take.before >= STOP) q->is_stopped = true;
    if (!q->is_stopped && q->take.before < q->n_items) *index = q->take.before;
  }
  const vw_status st = hear_stop(q, &is_stopped);
  if (st != VW_OK || is_stopped) *index = -1; /* stopped after the index was asked for */
  return st;
}

vw_status vw_queue_report_done(vw_queue *q) {
  q->unreported++;
  VW_TRY(advance(q));
  return VW_OK;
}

int64_t vw_queue_done(vw_queue *q) {
  if (advance(q) == VW_OK && q->word) return own_word(q, DONE);
  return q->done_seen;
}

vw_status vw_queue_stop(vw_queue *q) {
  if (q->is_stopped || q->halt.busy) return VW_OK;
  q->is_stopped = true;
  VW_TRY(add_start(q, &q->halt, NEXT, STOP));
  return VW_OK;
}

void vw_queue_signal(vw_queue *q) {
  atomic_store(&q->signalled, true);
}

bool vw_queue_stopped(vw_queue *q) {
  bool is_stopped = false;
  return hear_stop(q, &is_stopped) != VW_OK ||
         is_stopped; /* without contact nothing more can be taken: save and leave */
}

void vw_queue_poll(vw_queue *q) {
  (void)advance(q);
}
