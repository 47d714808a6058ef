#include "cluster/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "cluster/comm.h"
#include "cluster/queue_rules.h"
#include "core/pulse.h"

enum { NAP_NS = 1000, IDLE_NS = 200000, NAPS = 50 };

struct vw_queue {
  const vw_ranks *ranks;
  int64_t local[VW_QUEUE_WORDS]; /* the words themselves when there is one rank */
  int64_t *word;                 /* rank 0: the window's memory, or `local`; NULL elsewhere */
  MPI_Win window;
  MPI_Comm comm; /* the progress thread's own: it never takes a message meant for others */
  bool has_window, is_locked, has_thread;
  vw_queue_side side; /* what is asked, and when */
  MPI_Request request[VW_QUEUE_REQUESTS];
  int64_t before[VW_QUEUE_REQUESTS]; /* answers */
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

/* Sends a request where it is due. */
static vw_status send_due(vw_queue *q, vw_queue_request what) {
  const int word = vw_queue_word_of(what);
  if (!vw_queue_side_sends(&q->side, what, now_ns())) return VW_OK;
  const int64_t *add = &q->side.add[what];
  if (!q->has_window) {
    q->before[what] = q->local[word];
    q->local[word] += *add;
    q->request[what] = MPI_REQUEST_NULL;
    return VW_OK;
  }
  const vw_status st = VW_MPI(MPI_Rget_accumulate, add, 1, MPI_INT64_T, &q->before[what], 1, MPI_INT64_T, 0, word, 1,
                              MPI_INT64_T, *add ? MPI_SUM : MPI_NO_OP, q->window, &q->request[what]);
  if (st != VW_OK) q->side.is_busy[what] = false;
  return st;
}

/* Hears the answer if it is here. Never waits. */
static vw_status hear(vw_queue *q, vw_queue_request what) {
  int flag = 1;
  if (!q->side.is_busy[what]) return VW_OK;
  if (q->has_window) VW_TRY(VW_MPI(MPI_Test, &q->request[what], &flag, MPI_STATUS_IGNORE));
  if (flag) vw_queue_side_hears(&q->side, what, q->before[what]);
  return VW_OK;
}

static vw_status hear_wait(vw_queue *q, vw_queue_request what) {
  vw_status st = VW_OK;
  if (!q->side.is_busy[what]) return VW_OK;
  if (q->has_window) { /* the checker does not follow send_due's MPI_Rget_accumulate */
    vw_pulse_wait();
    st = VW_MPI(MPI_Wait, &q->request[what], MPI_STATUS_IGNORE); /* NOLINT(clang-analyzer-optin.mpi.MPI-Checker) */
    vw_pulse_resume();
  }
  if (st == VW_OK) vw_queue_side_hears(&q->side, what, q->before[what]);
  return st;
}

/* ---- the thread that lets MPI move on rank 0 ---- */

/* Naps for 1 us while the words change (a yield would wait for the thread that computes: measured 1,300 against 3,400
 * takes a second over TCP, two busy cores) and for 200 us when they do not: next to no load. Linux lets a nap last 50 us
 * longer than asked for, which alone would keep a rank below 20,000 takes a second: not here. */
static void *progress(void *argument) {
  vw_queue *q = argument;
  int64_t seen = 0;
#ifdef PR_SET_TIMERSLACK
  (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* of this thread alone */
#endif
  for (int quiet = 0; !atomic_load(&q->ending); quiet += quiet < NAPS) {
    int flag = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, q->comm, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
    const int64_t sum = own_word(q, VW_QUEUE_NEXT) + own_word(q, VW_QUEUE_DONE);
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
  const MPI_Aint bytes = q->ranks->rank == 0 ? VW_QUEUE_WORDS * (MPI_Aint)sizeof(int64_t) : 0;
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
    for (int i = 0; i < VW_QUEUE_WORDS; i++) __atomic_store_n(&q->word[i], 0, __ATOMIC_RELEASE);
    VW_TRY(VW_MPI(MPI_Win_sync, q->window));
    if (q->ranks->threads) VW_TRY(start_thread(q));
  }
  return VW_OK;
}

vw_status vw_queue_create(const vw_ranks *ranks, int64_t n_items, vw_queue **out) {
  vw_queue *q = NULL;
  *out = NULL;
  VW_CHECK(n_items >= 0 && n_items < VW_QUEUE_STOP, VW_ERR_ARG, "queue: %lld items; 0 to 2^40 are possible",
           (long long)n_items);
  q = calloc(1, sizeof *q);
  vw_status st = q ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "queue: out of memory");
  st = vw_agree_message(ranks, st);
  if (st != VW_OK || !q) {
    free(q);
    return st;
  }
  q->ranks = ranks;
  vw_queue_side_open(&q->side, n_items, ranks->size);
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
    for (int i = 0; i < VW_QUEUE_REQUESTS; i++) (void)hear_wait(q, (vw_queue_request)i);
    if (send_due(q, VW_QUEUE_REPORT) == VW_OK) (void)hear_wait(q, VW_QUEUE_REPORT);
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
  int flag = 0;
  if (q->has_window && !q->has_thread) /* moves what others ask of rank 0, where no thread does */
    VW_TRY(VW_MPI(MPI_Iprobe, MPI_ANY_SOURCE, MPI_ANY_TAG, q->comm, &flag, MPI_STATUS_IGNORE));
  if (atomic_exchange(&q->signalled, false)) VW_TRY(vw_queue_stop(q));
  VW_TRY(hear(q, VW_QUEUE_LOOK));
  VW_TRY(hear(q, VW_QUEUE_HALT));
  VW_TRY(hear(q, VW_QUEUE_REPORT));
  return send_due(q, VW_QUEUE_REPORT);
}

vw_status vw_queue_ask(vw_queue *q) {
  VW_TRY(advance(q));
  return send_due(q, VW_QUEUE_TAKE);
}

/* What has been heard of a stop word; asks again from time to time. */
static vw_status hear_stop(vw_queue *q, bool *is_stopped) {
  VW_TRY(advance(q));
  if (q->word && own_word(q, VW_QUEUE_NEXT) >= VW_QUEUE_STOP) q->side.is_stopped = true;
  if (!q->word) VW_TRY(send_due(q, VW_QUEUE_LOOK));
  *is_stopped = q->side.is_stopped;
  return VW_OK;
}

vw_status vw_queue_take(vw_queue *q, int64_t *index) {
  bool is_stopped = false;
  *index = -1;
  VW_TRY(vw_queue_ask(q));
  if (q->side.is_busy[VW_QUEUE_TAKE]) {
    VW_TRY(hear_wait(q, VW_QUEUE_TAKE));
    *index = vw_queue_side_index(&q->side, q->before[VW_QUEUE_TAKE]);
  }
  const vw_status st = hear_stop(q, &is_stopped);
  if (st != VW_OK || is_stopped) *index = -1; /* stopped after the index was asked for */
  return st;
}

vw_status vw_queue_report_done(vw_queue *q, int64_t units) {
  vw_queue_side_did(&q->side, units);
  return advance(q);
}

int64_t vw_queue_done(vw_queue *q) {
  if (advance(q) == VW_OK && q->word) return own_word(q, VW_QUEUE_DONE);
  return q->side.done_seen;
}

vw_status vw_queue_stop(vw_queue *q) {
  return send_due(q, VW_QUEUE_HALT);
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

int64_t vw_queue_sent(const vw_queue *q, vw_queue_request what) {
  return q->side.sent[what];
}
