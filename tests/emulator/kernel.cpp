/* Fibers and barriers: see kernel.hpp. */
#include "tests/emulator/kernel.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

enum {
  STACK_BYTES = 64 << 10,
  MOST_THREADS = 1024,
  WARP = 32,
  MOST_SHARED = 163 << 10 /* of compute capability 8.0 */
};

vw_emulated_place vw_emulated;

namespace {

/* Some threads that wait for each other. `alive` is how many have not returned. */
struct group {
  unsigned here, alive, generation;
  uint32_t value[WARP];
};

struct fiber {
  jmp_buf at;
  bool is_done;
  const unsigned *waits; /* until *waits differs from `seen`; NULL: does not wait */
  unsigned seen;
  char *stack; /* NULL: not yet begun */
};

struct block {
  fiber thread[MOST_THREADS];
  group all, warp[MOST_THREADS / WARP];
  unsigned n, current;
  const std::function<void()> *body;
  jmp_buf scheduler;
  std::vector<float> shared;
} run;

void give_way(const unsigned *waits) {
  fiber *f = &run.thread[run.current];
  f->waits = waits, f->seen = *waits;
  if (_setjmp(f->at) == 0) _longjmp(run.scheduler, 1);
}

void arrive(group *g) {
  if (++g->here == g->alive) {
    g->here = 0, g->generation++;
    return;
  }
  give_way(&g->generation);
}

/* The life of a fiber: a thread of one block after the other. When it has returned, the others of its block need not
 * wait for it; those of its warp would wait for ever. */
void live(void) {
  for (;;) {
    fiber *f = &run.thread[run.current];
    (*run.body)();
    f->is_done = true;
    if (--run.all.alive && run.all.here == run.all.alive) run.all.here = 0, run.all.generation++;
    if (_setjmp(f->at) == 0) _longjmp(run.scheduler, 1);
  }
}

void start(fiber *f) {
  static ucontext_t here, there;
  f->stack = static_cast<char *>(malloc(STACK_BYTES));
  (void)getcontext(&there);
  there.uc_stack.ss_sp = f->stack, there.uc_stack.ss_size = STACK_BYTES, there.uc_link = nullptr;
  makecontext(&there, live, 0);
  (void)swapcontext(&here, &there); /* never comes back here: the fiber jumps to the scheduler */
}

void place(unsigned i) {
  const dim3 n = vw_emulated.threads;
  vw_emulated.thread = dim3(i % n.x, i / n.x % n.y, i / n.x / n.y);
}

/* One step of a thread; false when it waits or has returned. */
bool step(unsigned i) {
  fiber *f = &run.thread[i];
  if (f->is_done || (f->waits && *f->waits == f->seen)) return false;
  f->waits = nullptr;
  run.current = i;
  place(i);
  if (_setjmp(run.scheduler) == 0) {
    if (f->stack) _longjmp(f->at, 1);
    start(f);
  }
  return true;
}

void run_block(const char *kernel, bool is_backwards) {
  for (unsigned i = 0; i < run.n; i++) {
    run.thread[i].is_done = false, run.thread[i].waits = nullptr;
  }
  run.all.here = 0, run.all.alive = run.n;
  for (unsigned w = 0; w * WARP < run.n; w++) run.warp[w].here = 0, run.warp[w].alive = WARP;
  if (!run.shared.empty()) memset(run.shared.data(), 0xFF, run.shared.size() * sizeof(float));
  for (volatile bool moved = true; run.all.alive && moved;) {
    moved = false;
    for (volatile unsigned i = 0; i < run.n; i++)
      if (step(is_backwards ? run.n - 1 - i : i)) moved = true;
  }
  if (!run.all.alive) return;
  fprintf(stderr, "emulator: kernel %s: %u of %u threads of block %u wait for ever at a barrier or shuffle\n", kernel,
          run.all.alive, run.n, vw_emulated.block.x);
  abort();
}

} // namespace

void vw_emulate(const char *kernel, unsigned blocks, dim3 threads, size_t shared, const std::function<void()> &body) {
  vw_emulated_calls.launches++;
  if (vw_emulated_keep([=] { vw_emulate(kernel, blocks, threads, shared, body); })) return;
  run.n = threads.x * threads.y * threads.z;
  if (run.n < 1 || run.n > MOST_THREADS || shared > MOST_SHARED) {
    fprintf(stderr, "emulator: kernel %s: a GPU refuses blocks of %u threads with %zu bytes of shared memory\n", kernel,
            run.n, shared);
    abort();
  }
  run.body = &body;
  run.shared.resize(shared / sizeof(float));
  vw_emulated.threads = threads;
  for (unsigned b = 0; b < blocks; b++) {
    vw_emulated.block = dim3(b, 0, 0);
    run_block(kernel, b % 2);
  }
}

void vw_emulated_sync_block(void) {
  arrive(&run.all);
}

uint32_t vw_emulated_shuffle(uint32_t value, unsigned lane) {
  group *g = &run.warp[run.current / WARP];
  g->value[run.current % WARP] = value;
  arrive(g);
  const uint32_t got = g->value[lane];
  arrive(g); /* all have read before the next one writes */
  return got;
}

float *vw_shared(void) {
  return run.shared.data();
}
