/* Fibers and barriers: see kernel.hpp. */
#include "tests/emulator/kernel.hpp"

#include "tests/emulator/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

/* Keeps what a call keeps on this stack, its end in *from, and goes on where `to` was kept. A kernel of one warp changes
 * fibers some million times: setjmp and longjmp took half of a test's time. */
extern "C" void vw_emulated_switch(void **from, void *to);
asm(R"(
  .text
  .globl vw_emulated_switch
  .hidden vw_emulated_switch
  .type vw_emulated_switch, @function
vw_emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size vw_emulated_switch, .-vw_emulated_switch
)");

enum {
  STACK_BYTES = 64 << 10,
  MOST_THREADS = 1024,
  WARP = 32,
  KEPT_REGISTERS = 6,
  MOST_SHARED = 163 << 10 /* of compute capability 8.0; 227 KiB of 9.0 */
};

vw_emulated_place vw_emulated;
bool vw_emulated_last_first;

namespace {

/* Some threads that wait for each other. `alive` is how many have not returned. */
struct group {
  unsigned here, alive, generation;
  vw_emulated_words value[2][WARP]; /* by generation: who is slow reads one while others fill the other */
};

struct copy {
  void *to;
  const void *from;
  size_t bytes;
  unsigned group;
};

struct fiber {
  void *at; /* where it goes on; NULL: never begun */
  dim3 place;
  bool is_done;
  const unsigned *waits; /* until *waits differs from `seen`; NULL: does not wait */
  unsigned seen;
  std::vector<copy> copies;
  unsigned groups; /* closed so far */
};

struct block {
  fiber thread[MOST_THREADS];
  group all, warp[MOST_THREADS / WARP];
  unsigned n, current;
  bool is_backwards; /* the order of warps and lanes; copies are then made at once */
  const char *name;
  const std::function<void()> *body;
  void *scheduler;
  std::vector<float> shared;
} run;

[[noreturn]] void die(const char *what, unsigned thread) {
  fprintf(stderr, "emulator: kernel %s: ", run.name);
  fprintf(stderr, what, thread);
  fprintf(stderr, "\n");
  abort();
}

bool can_move(unsigned i) {
  const fiber *f = &run.thread[i];
  return !f->is_done && !(f->waits && *f->waits == f->seen);
}

/* The first lane of thread i's warp that can move, in the block's order, from the one behind i on; run.n: none. */
unsigned next_lane(unsigned i) {
  const unsigned first = i / WARP * WARP, n = run.n - first < WARP ? run.n - first : static_cast<unsigned>(WARP);
  for (unsigned past = 1; past < n; past++) {
    const unsigned lane = (i - first + (run.is_backwards ? n - past : past)) % n;
    if (can_move(first + lane)) return first + lane;
  }
  return run.n;
}

void live(void);

/* Goes on with thread i, from `from`'s stack. */
void go_on(void **from, unsigned i) {
  fiber *f = &run.thread[i];
  f->waits = nullptr;
  run.current = i, vw_emulated.thread = f->place;
  if (!f->at) {
    void **top = reinterpret_cast<void **>(static_cast<char *>(malloc(STACK_BYTES)) + STACK_BYTES);
    top[-1] = nullptr; /* live() has no caller, and finds its stack as behind a call */
    top[-2] = reinterpret_cast<void *>(live);
    f->at = top - 2 - KEPT_REGISTERS;
    memset(f->at, 0, KEPT_REGISTERS * sizeof(void *));
  }
  vw_emulated_switch(from, f->at);
}

/* The current thread cannot move: another lane of its warp does, or the scheduler finds another warp. */
void leave(void) {
  const unsigned current = run.current, next = next_lane(current);
  void **from = &run.thread[current].at;
  if (next < run.n)
    go_on(from, next);
  else
    vw_emulated_switch(from, run.scheduler);
}

void arrive(group *g) {
  if (++g->here == g->alive) {
    g->here = 0, g->generation++;
    return;
  }
  fiber *f = &run.thread[run.current];
  f->waits = &g->generation, f->seen = g->generation;
  leave();
}

/* The life of a fiber: a thread of one block after the other. When it has returned, the others of its block need not
 * wait for it; those of its warp would wait for ever. */
void live(void) {
  for (;;) {
    fiber *f = &run.thread[run.current];
    (*run.body)();
    f->is_done = true;
    if (--run.all.alive && run.all.here == run.all.alive) run.all.here = 0, run.all.generation++;
    leave();
  }
}

/* Lets the lanes of a warp run until all of them wait for other warps or have returned; false when none could move. */
bool run_warp(unsigned warp) {
  const unsigned first = warp * WARP, n = run.n - first < WARP ? run.n - first : static_cast<unsigned>(WARP);
  for (unsigned i = 0; i < n; i++) {
    const unsigned lane = first + (run.is_backwards ? n - 1 - i : i);
    if (!can_move(lane)) continue;
    go_on(&run.scheduler, lane); /* comes back when no lane can move */
    return true;
  }
  return false;
}

void run_block(bool is_backwards) {
  for (unsigned i = 0; i < run.n; i++) {
    run.thread[i].is_done = false, run.thread[i].waits = nullptr, run.thread[i].groups = 0;
  }
  run.all.here = 0, run.all.alive = run.n, run.is_backwards = is_backwards;
  for (unsigned w = 0; w * WARP < run.n; w++) run.warp[w].here = 0, run.warp[w].alive = WARP;
  if (!run.shared.empty()) memset(run.shared.data(), 0xFF, run.shared.size() * sizeof(float));
  const unsigned warps = (run.n + WARP - 1) / WARP;
  for (bool moved = true; run.all.alive && moved;) {
    moved = false;
    for (unsigned w = 0; w < warps; w++)
      if (run_warp(is_backwards ? warps - 1 - w : w)) moved = true;
  }
  for (unsigned i = 0; i < run.n; i++)
    if (!run.thread[i].copies.empty()) die("thread %u ends with copies it never waited for", i);
  if (!run.all.alive) return;
  die("%u threads wait for ever at a barrier or shuffle", run.all.alive);
}

} // namespace

static bool checks_only;
static int64_t launches;

extern "C" void vw_emulated_check_only(bool on) {
  checks_only = on;
}
bool vw_emulated_checks_only(void) {
  return checks_only;
}
extern "C" int64_t vw_emulated_launches(void) {
  return launches;
}

extern "C" const char *vw_emulated_launch_problem(unsigned bound, unsigned blocks, unsigned threads, size_t shared) {
  if (!bound) return "the kernel has no __launch_bounds__";
  if (threads < 1 || threads > MOST_THREADS) return "a block has 1 to 1024 threads";
  if (threads > bound) return "blocks are larger than the kernel's __launch_bounds__";
  if (blocks < 1 || blocks > INT32_MAX) return "a grid has 1 to 2^31 - 1 blocks";
  if (shared > MOST_SHARED) return "a block has at most 163 KiB of shared memory on compute capability 8.0";
  return nullptr;
}

/* The kernel's __launch_bounds__: the no-ops at its entry, behind a landing pad for indirect calls. */
static unsigned bound_of(const void *kernel) {
  static const unsigned char landing[] = {0xf3, 0x0f, 0x1e, 0xfa};
  const unsigned char *at = static_cast<const unsigned char *>(kernel);
  unsigned n = 0;
  if (memcmp(at, landing, sizeof landing) == 0) at += sizeof landing;
  while (at[n] == 0x90) n++;
  return n;
}

void vw_emulate(const char *name, const void *kernel, unsigned blocks, dim3 threads, size_t shared,
                const std::function<void()> &body) {
  vw_emulated_calls.launches++;
  if (vw_emulated_keep([=] { vw_emulate(name, kernel, blocks, threads, shared, body); })) return;
  run.n = threads.x * threads.y * threads.z, run.name = name;
  launches++;
  const char *problem = vw_emulated_launch_problem(bound_of(kernel), blocks, run.n, shared);
  if (problem) {
    fprintf(stderr, "emulator: kernel %s: %u blocks of %u threads with %zu bytes of shared memory: %s\n", name, blocks,
            run.n, shared, problem);
    abort();
  }
  if (checks_only) return;
  run.body = &body;
  run.shared.resize(shared / sizeof(float));
  vw_emulated.threads = threads;
  for (unsigned i = 0; i < run.n; i++)
    run.thread[i].place = dim3(i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y);
  for (unsigned i = 0; i < blocks; i++) {
    const unsigned b = vw_emulated_last_first ? blocks - 1 - i : i;
    vw_emulated.block = dim3(b, 0, 0);
    run_block((b + launches) % 2);
  }
}

/* Is this the barrier that the environment takes out? */
static bool is_out(const char *file, int line) {
  static const char *const out = getenv("VISWORDS_EMULATOR_WITHOUT");
  if (!out) return false;
  const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file, *colon = strchr(out, ':');
  return colon && strlen(name) == static_cast<size_t>(colon - out) && !strncmp(out, name, strlen(name)) &&
         atoi(colon + 1) == line;
}

void vw_emulated_sync_block(const char *file, int line) {
  if (is_out(file, line)) return;
  arrive(&run.all);
}

const vw_emulated_words *vw_emulated_gather(const uint32_t (&mine)[VW_EMULATED_WORDS]) {
  group *g = &run.warp[run.current / WARP];
  vw_emulated_words *all = g->value[g->generation % 2];
  memcpy(all[run.current % WARP].word, mine, sizeof mine);
  arrive(g);
  return all;
}

void vw_emulated_gathered(void) {
  arrive(&run.warp[run.current / WARP]);
}

void vw_emulated_sync_warp(const char *file, int line) {
  if (is_out(file, line)) return;
  arrive(&run.warp[run.current / WARP]);
}

uint32_t vw_emulated_shuffle(uint32_t value, unsigned lane) {
  const uint32_t mine[VW_EMULATED_WORDS] = {value};
  return vw_emulated_gather(mine)[lane].word[0];
}

void vw_emulated_check_shared(const void *p, size_t bytes) {
  const char *at = static_cast<const char *>(p), *base = reinterpret_cast<const char *>(run.shared.data());
  if (at < base || at + bytes > base + run.shared.size() * sizeof(float) || static_cast<size_t>(at - base) % bytes != 0)
    die("thread %u leaves shared memory or its alignment", run.current);
}

void vw_emulated_copy(void *shared, const void *global, size_t bytes) {
  fiber *f = &run.thread[run.current];
  vw_emulated_check_shared(shared, bytes);
  if (reinterpret_cast<uintptr_t>(global) % bytes != 0) die("thread %u copies from an unaligned address", run.current);
  if (run.is_backwards)
    memcpy(shared, global, bytes);
  else
    f->copies.push_back({shared, global, bytes, f->groups});
}

void vw_emulated_commit(void) {
  run.thread[run.current].groups++;
}

/* Copies of groups that are not among the last `groups` closed ones; of open groups none. */
void vw_emulated_wait(unsigned groups) {
  fiber *f = &run.thread[run.current];
  std::vector<copy> later;
  for (const copy &c : f->copies) {
    if (c.group + groups < f->groups)
      memcpy(c.to, c.from, c.bytes);
    else
      later.push_back(c);
  }
  f->copies.swap(later);
}

float *vw_shared(void) {
  return run.shared.data();
}
