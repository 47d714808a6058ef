/* cuDNN through its graph API in plain calls: the library, descriptors, the choice of an engine and its record
 * (kernels/algorithms.h). For a key (operation, shapes, types) the library's heuristics list configurations of engines,
 * best first. The first one counts that repeats bit for bit, keeps its sums in fp32 and is within the caller's limits
 * (workspace; compiled here, which takes a second); so a library and a device always choose the same. Where algorithms
 * are timed the first few such are candidates, and the caller runs a race (library_check.cu). The choice is recorded as
 * engine and knobs, from which a later run makes it again.
 *
 * Built where the header is found (cmake/ViswordsCuda.cmake); else every plan is NULL. */
#include "kernels/cuda/cudnn.cuh"

#include "kernels/algorithms.h"
#include "kernels/backend.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifdef VW_WITH_CUDNN
#include "kernels/cuda/cudnn_items.cuh"

#include <dlfcn.h>

enum { MOST_CONFIGURATIONS = 32, MOST_KNOBS = 24, MOST_NOTES = 16, MOST_BOUND = 16, WORKSPACE_ALIGNMENT = 256 };
enum { LINE_BYTES = 640, OLDEST = 90000, MOST_CANDIDATES = 6 };

/* ---- the library ------------------------------------------------------------------------------------------------- */

vw_cudnn_functions vw_cudnn_library;

#define CUDNN_TRY(call)                                                                                                \
  do {                                                                                                                 \
    const cudnnStatus_t error_ = (call);                                                                               \
    if (error_ != CUDNN_STATUS_SUCCESS)                                                                                \
      return VW_RAISE(VW_ERR_DEVICE, "%s: %s", #call, vw_cudnn_library.GetErrorString(error_));                        \
  } while (0)

static vw_status find_functions(void *library) {
  const struct {
    const char *name;
    void **to;
  } functions[] = {
#define ROW(name) {"cudnn" #name, reinterpret_cast<void **>(&vw_cudnn_library.name)},
      VW_CUDNN_FUNCTIONS(ROW)
#undef ROW
  };
  for (const auto &f : functions) {
    *f.to = dlsym(library, f.name);
    VW_CHECK(*f.to, VW_ERR_UNSUPPORTED, "%s has no function %s: too old a version of cuDNN, or another library",
             vw_cudnn_library.path, f.name);
  }
  const size_t version = vw_cudnn_library.GetVersion();
  VW_CHECK(version >= OLDEST && version / 10000 == CUDNN_MAJOR, VW_ERR_UNSUPPORTED,
           "%s is cuDNN %zu.%zu; viswords works with %d.x", vw_cudnn_library.path, version / 10000, version / 100 % 100,
           CUDNN_MAJOR);
  vw_cudnn_library.version = version;
  return VW_OK;
}

/* VISWORDS_CUDNN_LIBRARY alone where it is set, else as the system finds it; not that of a build against an emulated
 * device, where only tests name one. */
static vw_status load(void) {
  const char *chosen = getenv("VISWORDS_CUDNN_LIBRARY");
  if (vw_cudnn_library.version) return VW_OK;
#ifdef __CUDACC__
  vw_cudnn_library.path = chosen && *chosen ? chosen : "libcudnn.so.9";
#else
  vw_cudnn_library.path = chosen && *chosen ? chosen : "none";
#endif
  void *library =
      strcmp(vw_cudnn_library.path, "none") != 0 ? dlopen(vw_cudnn_library.path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  VW_CHECK(library, VW_ERR_UNSUPPORTED, "cuDNN is missing (%s): install it or name it with VISWORDS_CUDNN_LIBRARY=PATH",
           strcmp(vw_cudnn_library.path, "none") == 0 ? "not asked for" : dlerror());
  const vw_status st = find_functions(library);
  if (st != VW_OK) (void)dlclose(library);
  return st;
}

/* ---- engines ----------------------------------------------------------------------------------------------------- */

struct knob {
  int64_t type, value;
};

/* What makes a configuration; no engine: the caller's own kernels. */
struct configuration {
  int64_t engine; /* -1: none */
  int n_knobs;
  knob knobs[MOST_KNOBS];
};

/* A configuration that runs here. */
struct candidate {
  configuration config;
  vw_cudnn_item plan;
  int64_t workspace;
};

struct vw_cudnn_plan {
  char key[VW_CUDNN_KEY];
  vw_cudnn_limits limits;
  configuration chosen;
  vw_cudnn_graph graph;
  vw_cudnn_item plan;                              /* NULL: not made yet, or none */
  bool is_made, is_tried, is_recorded, is_started; /* started: as an earlier plan chose, no order */
  int64_t workspace;                               /* while there are candidates the largest of theirs */
  candidate candidates[MOST_CANDIDATES];
  int n_candidates; /* of a race that is not over; 0: none */
  vw_cudnn_plan *next;
};

struct vw_cudnn {
  cudnnHandle_t handle;
  vw_cudnn_plan *first, *last; /* in the order of first use */
  vw_cudnn_plan *retired;      /* forgotten, but programs may be bound to them */
  bool times, obeys;
};

struct vw_cudnn_binding {
  vw_cudnn_item plan, pack;
};

static bool has_note(vw_cudnn_item engine, bool (*refuses)(int64_t)) {
  cudnnBackendNumericalNote_t notes[MOST_NOTES] = {};
  const int64_t n =
      vw_items_get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, MOST_NOTES, notes);
  for (int64_t i = 0; i < n; i++)
    if (refuses(notes[i])) return true;
  return false;
}

static bool is_compiled_late(vw_cudnn_item engine) {
  cudnnBackendBehaviorNote_t notes[MOST_NOTES] = {};
  const int64_t n = vw_items_get(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, MOST_NOTES, notes);
  for (int64_t i = 0; i < n; i++)
    if (notes[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) return true;
  return false;
}

static bool changes_sums(int64_t numerical) {
  return numerical == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || numerical == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
         numerical == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION || numerical == CUDNN_NUMERICAL_NOTE_FFT ||
         (numerical >= CUDNN_NUMERICAL_NOTE_WINOGRAD && numerical <= CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13);
}

/* False: it cannot be recorded. */
static bool read_configuration(vw_cudnn_graph *g, vw_cudnn_item config, vw_cudnn_item engine, configuration *out) {
  vw_cudnn_item choice[MOST_KNOBS];
  *out = configuration();
  if (!vw_items_get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &out->engine)) return false;
  for (vw_cudnn_item &c : choice) c = vw_items_make(g, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
  if (vw_items_failed(g)) return false;
  out->n_knobs = static_cast<int>(
      vw_items_get(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_KNOBS, choice));
  for (int i = 0; i < out->n_knobs; i++) {
    cudnnBackendKnobType_t type = {};
    if (!vw_items_get(choice[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type) ||
        !vw_items_get(choice[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &out->knobs[i].value))
      return false;
    out->knobs[i].type = type;
  }
  return true;
}

/* An execution plan of a configuration; false where it does not run here. */
static bool make_plan(const vw_cudnn *c, vw_cudnn_plan *p, vw_cudnn_graph *g, vw_cudnn_item config) {
  vw_cudnn_item plan = vw_items_make(g, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  vw_items_set(g, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &c->handle);
  vw_items_set_item(g, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  vw_items_finish(g, plan);
  if (vw_items_failed(g)) return false;
  int64_t bytes = 0;
  (void)vw_items_get(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
  if (bytes > p->limits.workspace) return false;
  p->plan = plan, p->workspace = bytes;
  return true;
}

/* The graph of a key's operations in g->items; its descriptor, NULL after an error. */
static vw_cudnn_item describe_graph(const vw_cudnn *c, vw_cudnn_graph *g, vw_cudnn_describe describe,
                                    const void *user) {
  describe(g, user);
  vw_cudnn_item graph = vw_items_make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  vw_items_set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &c->handle);
  vw_items_set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->n_operations, g->operations);
  vw_items_finish(g, graph);
  return vw_items_failed(g) ? nullptr : graph;
}

/* The heuristics' suggestions of one mode, best first; descriptors of `held`. */
static int64_t suggest(vw_cudnn_graph *held, vw_cudnn_item graph, cudnnBackendHeurMode_t mode,
                       vw_cudnn_item (&config)[MOST_CONFIGURATIONS]) {
  vw_cudnn_item heuristics = vw_items_make(held, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  vw_items_set_item(held, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  vw_items_set(held, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  vw_items_finish(held, heuristics);
  for (vw_cudnn_item &c : config) c = vw_items_make(held, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (vw_items_failed(held)) return 0;
  return vw_items_get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_CONFIGURATIONS,
                      config);
}

/* Descriptors of a suggestion are tried in a set of their own, which is kept when it serves. */
static bool try_configuration(const vw_cudnn *c, vw_cudnn_plan *p, vw_cudnn_item config) {
  vw_cudnn_graph own = {};
  vw_cudnn_item engine = vw_items_make(&own, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  bool ok = !vw_items_failed(&own) &&
            vw_items_get(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine) == 1;
  ok = ok && !has_note(engine, changes_sums) && (p->limits.compiles || !is_compiled_late(engine));
  ok = ok && p->graph.n_items < VW_MOST_ITEMS && read_configuration(&own, config, engine, &p->chosen) &&
       make_plan(c, p, &own, config);
  if (ok) {
    p->graph.items[p->graph.n_items++] = p->plan;
    for (int i = 0; i < own.n_items; i++)
      if (own.items[i] == p->plan) own.items[i] = own.items[--own.n_items];
  }
  vw_items_destroy(&own);
  return ok;
}

/* Suggestions of a mode that run here, one behind the other, until there are as many as are wanted. */
static void gather(const vw_cudnn *c, vw_cudnn_plan *p, vw_cudnn_item graph, cudnnBackendHeurMode_t mode, int wanted) {
  vw_cudnn_graph held = {};
  vw_cudnn_item config[MOST_CONFIGURATIONS] = {};
  const int64_t n = suggest(&held, graph, mode, config);
  for (int64_t i = 0; i < n && p->n_candidates < wanted; i++) {
    if (!try_configuration(c, p, config[i])) continue;
    p->candidates[p->n_candidates++] = {p->chosen, p->plan, p->workspace};
  }
  vw_items_destroy(&held);
}

static void choose(const vw_cudnn *c, vw_cudnn_plan *p, vw_cudnn_item graph) {
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  const int wanted = c->times && !c->obeys ? static_cast<int>(MOST_CANDIDATES) : 1;
  int64_t most = 0;
  for (const cudnnBackendHeurMode_t mode : modes)
    if (!p->n_candidates) gather(c, p, graph, mode, wanted);
  p->plan = nullptr, p->chosen = configuration(), p->chosen.engine = -1;
  for (int i = 0; i < p->n_candidates; i++)
    if (p->candidates[i].workspace > most) most = p->candidates[i].workspace;
  if (p->n_candidates) vw_cudnn_use(p, 0);
  p->workspace = most;
}

/* What a plan recorded. */
static vw_status choose_recorded(const vw_cudnn *c, vw_cudnn_plan *p, vw_cudnn_item graph) {
  vw_cudnn_graph *g = &p->graph;
  vw_cudnn_item engine = vw_items_make(g, CUDNN_BACKEND_ENGINE_DESCRIPTOR), choice[MOST_KNOBS];
  if (p->chosen.engine < 0) return VW_OK;
  vw_items_set_item(g, engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  vw_items_set(g, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &p->chosen.engine);
  vw_items_finish(g, engine);
  for (int i = 0; i < p->chosen.n_knobs; i++) {
    const cudnnBackendKnobType_t type = static_cast<cudnnBackendKnobType_t>(p->chosen.knobs[i].type);
    choice[i] = vw_items_make(g, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    vw_items_set(g, choice[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    vw_items_set(g, choice[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &p->chosen.knobs[i].value);
    vw_items_finish(g, choice[i]);
  }
  vw_cudnn_item config = vw_items_make(g, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  vw_items_set_item(g, config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (p->chosen.n_knobs)
    vw_items_set(g, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, p->chosen.n_knobs,
                 choice);
  vw_items_finish(g, config);
  VW_CHECK(make_plan(c, p, g, config), VW_ERR_UNSUPPORTED,
           "cuDNN: engine %lld, recorded for '%s', does not run on this device: %s; plan again",
           static_cast<long long>(p->chosen.engine), p->key, vw_cudnn_library.GetErrorString(g->error));
  return VW_OK;
}

static vw_cudnn_plan *find(const vw_cudnn *c, const char *key) {
  vw_cudnn_plan *p = c->first;
  while (p && strcmp(p->key, key) != 0) p = p->next;
  return p;
}

static vw_status append(vw_cudnn *c, const char *key, vw_cudnn_plan **out) {
  vw_cudnn_plan *p = static_cast<vw_cudnn_plan *>(calloc(1, sizeof *p));
  VW_CHECK(p, VW_ERR_MEMORY, "out of memory: a plan of cuDNN");
  (void)snprintf(p->key, sizeof p->key, "%s", key);
  if (c->last)
    c->last->next = p;
  else
    c->first = p;
  c->last = p;
  *out = p;
  return VW_OK;
}

static void retire_plans(vw_cudnn *c) {
  if (c->last) c->last->next = c->retired, c->retired = c->first;
  c->first = c->last = nullptr;
}

static void drop_plans(vw_cudnn *c) {
  retire_plans(c);
  while (c->retired) {
    vw_cudnn_plan *next = c->retired->next;
    vw_items_destroy(&c->retired->graph);
    free(c->retired);
    c->retired = next;
  }
}

vw_status vw_cudnn_plan_of(vw_context *ctx, const char *key, vw_cudnn_limits limits, vw_cudnn_describe describe,
                           const void *user, vw_cudnn_plan **plan) {
  vw_cudnn *c = vw_cuda_of(ctx)->cudnn;
  *plan = nullptr;
  vw_cudnn_plan *p = c ? find(c, key) : nullptr;
  VW_CHECK(!p || p->chosen.engine < 0 || c->handle, VW_ERR_UNSUPPORTED,
           "cuDNN: the plan records engine %lld for '%s', and the library is not there; plan again",
           static_cast<long long>(p->chosen.engine), key);
  if (!c || !c->handle) return VW_OK;
  if (!p) VW_TRY(append(c, key, &p));
  if (!p->is_made) {
    p->is_made = true, p->limits = limits;
    vw_cudnn_item graph = describe_graph(c, &p->graph, describe, user);
    const vw_status st = p->is_recorded || p->is_started ? choose_recorded(c, p, graph) : VW_OK;
    if (p->is_recorded) VW_TRY(st);
    if (p->is_started && st != VW_OK) p->is_started = false, vw_error_clear();
    const bool is_chosen = p->is_recorded || p->is_started;
    if (!is_chosen && graph) choose(c, p, graph);
    if (!is_chosen && !graph) p->chosen.engine = -1;
  }
  if (p->plan) *plan = p;
  return VW_OK;
}

bool vw_cudnn_is_asked(const vw_context *ctx, const char *key) {
  const vw_cudnn *c = vw_cuda_of(ctx)->cudnn;
  return c && (find(c, key) || (c->times && !c->obeys));
}

bool vw_cudnn_is_tried(const vw_cudnn_plan *plan) {
  return plan->is_tried;
}

const char *vw_cudnn_key(const vw_cudnn_plan *plan) {
  return plan->key;
}

int vw_cudnn_candidates(const vw_cudnn_plan *plan) {
  return plan->n_candidates;
}

void vw_cudnn_use(vw_cudnn_plan *plan, int i) {
  plan->chosen = plan->candidates[i].config, plan->plan = plan->candidates[i].plan;
}

vw_status vw_cudnn_judge(vw_cudnn_plan *plan, bool agrees) {
  plan->is_tried = true;
  for (int i = 0; i < plan->n_candidates; i++)
    if (plan->candidates[i].plan == plan->plan) plan->workspace = plan->candidates[i].workspace;
  plan->n_candidates = 0;
  if (agrees) return VW_OK;
  VW_CHECK(!plan->is_recorded, VW_ERR_UNSUPPORTED,
           "cuDNN: engine %lld, recorded for '%s', gives other results here than viswords' own kernel; plan again",
           static_cast<long long>(plan->chosen.engine), plan->key);
  plan->plan = nullptr, plan->chosen = configuration(), plan->chosen.engine = -1;
  return VW_OK;
}

size_t vw_cudnn_workspace(const vw_cudnn_plan *plan) {
  return plan->workspace ? static_cast<size_t>(plan->workspace + WORKSPACE_ALIGNMENT) : 0;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

vw_status vw_cudnn_bind(vw_context *ctx, const vw_cudnn_plan *plan, void *const *data, int n, void *workspace,
                        vw_cudnn_binding **out) {
  vw_cudnn_graph own = {};
  int64_t uids[MOST_BOUND];
  const uintptr_t at = reinterpret_cast<uintptr_t>(workspace), rest = at % WORKSPACE_ALIGNMENT;
  (void)ctx;
  if (rest) workspace = static_cast<char *>(workspace) + (WORKSPACE_ALIGNMENT - rest);
  *out = nullptr;
  for (int i = 0; i < n; i++) uids[i] = i + 1;
  vw_cudnn_item pack = vw_items_make(&own, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  vw_items_set(&own, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uids);
  vw_items_set(&own, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, data);
  vw_items_set(&own, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  vw_items_finish(&own, pack);
  vw_cudnn_binding *b = vw_items_failed(&own) ? nullptr : static_cast<vw_cudnn_binding *>(calloc(1, sizeof *b));
  if (!b) {
    vw_items_destroy(&own);
    return VW_RAISE(VW_ERR_DEVICE, "cuDNN: '%s' takes no data: %s", plan->key,
                    vw_cudnn_library.GetErrorString(own.error));
  }
  b->plan = plan->plan, b->pack = pack;
  *out = b;
  return VW_OK;
}

void vw_cudnn_unbind(vw_cudnn_binding *b) {
  if (b) (void)vw_cudnn_library.BackendDestroyDescriptor(b->pack);
  free(b);
}

vw_status vw_cudnn_run(vw_context *ctx, const vw_cudnn_binding *b) {
  CUDNN_TRY(vw_cudnn_library.BackendExecute(vw_cuda_of(ctx)->cudnn->handle, b->plan, b->pack));
  return VW_OK;
}

/* ---- a device's ---------------------------------------------------------------------------------------------------*/

static vw_status state_of(vw_cuda *cuda, vw_cudnn **out) {
  if (!cuda->cudnn) cuda->cudnn = static_cast<vw_cudnn *>(calloc(1, sizeof *cuda->cudnn));
  VW_CHECK(cuda->cudnn, VW_ERR_MEMORY, "out of memory: the plans of cuDNN");
  *out = cuda->cudnn;
  return VW_OK;
}

extern "C" vw_status vw_cuda_open_cudnn(vw_context *ctx) {
  vw_cudnn *c = nullptr;
  VW_TRY(state_of(vw_cuda_of(ctx), &c));
  if (c->handle) return VW_OK;
  VW_TRY(load());
  const cudnnStatus_t error = vw_cudnn_library.Create(&c->handle);
  if (error != CUDNN_STATUS_SUCCESS) c->handle = nullptr;
  VW_CHECK(c->handle, VW_ERR_UNSUPPORTED, "%s does not work here: %s", vw_cudnn_library.path,
           vw_cudnn_library.GetErrorString(error));
  CUDNN_TRY(vw_cudnn_library.SetStream(c->handle, vw_cuda_of(ctx)->stream));
  return VW_OK;
}

size_t vw_cudnn_version(const vw_cuda *cuda) {
  return cuda->cudnn && cuda->cudnn->handle ? vw_cudnn_library.version : 0;
}

void vw_cudnn_close(vw_cuda *cuda) {
  if (!cuda->cudnn) return;
  drop_plans(cuda->cudnn);
  if (cuda->cudnn->handle) (void)vw_cudnn_library.Destroy(cuda->cudnn->handle);
  free(cuda->cudnn);
  cuda->cudnn = nullptr;
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static void algorithms_time(vw_context *ctx, bool on) {
  vw_cudnn *c = nullptr;
  if (state_of(vw_cuda_of(ctx), &c) == VW_OK) c->times = on;
}

static vw_status algorithms_forget(vw_context *ctx) {
  vw_cudnn *c = nullptr;
  VW_TRY(state_of(vw_cuda_of(ctx), &c));
  retire_plans(c);
  c->obeys = true;
  return VW_OK;
}

/* A number behind a space; NULL: there is none. */
static const char *parse_number(const char *text, int64_t *x) {
  char *end = nullptr;
  if (!text || text[0] != ' ' || (text[1] != '-' && (text[1] < '0' || text[1] > '9'))) return nullptr;
  *x = strtoll(text + 1, &end, 10);
  return end;
}

/* " engine N" and " knob TYPE VALUE" as often as there are knobs, then nothing. */
static bool parse_configuration(const char *text, configuration *c) {
  *c = configuration();
  if (strncmp(text, " engine", 7) != 0) return false;
  text = parse_number(text + 7, &c->engine);
  while (text && *text) {
    if (c->n_knobs == MOST_KNOBS || strncmp(text, " knob", 5) != 0) return false;
    knob *k = &c->knobs[c->n_knobs++];
    text = parse_number(parse_number(text + 5, &k->type), &k->value);
  }
  return text != nullptr;
}

static vw_status algorithms_obey(vw_context *ctx, int line, char *text) {
  vw_cudnn *c = nullptr;
  vw_cudnn_plan *p = nullptr;
  configuration chosen;
  char *colon = strchr(text, ':');
  VW_TRY(state_of(vw_cuda_of(ctx), &c));
  VW_CHECK(colon && colon > text && colon - text < VW_CUDNN_KEY && parse_configuration(colon + 1, &chosen),
           VW_ERR_INPUT,
           "algorithms: line %d is not 'cudnn key: engine N knob N N ...' as this viswords records it: "
           "plan again",
           line);
  *colon = 0;
  VW_CHECK(!find(c, text), VW_ERR_INPUT, "algorithms: line %d records '%s' a second time: plan again", line, text);
  VW_TRY(append(c, text, &p));
  p->chosen = chosen, p->is_recorded = true;
  return VW_OK;
}

static vw_status algorithms_start(vw_context *ctx, char *text) {
  vw_cudnn *c = nullptr;
  vw_cudnn_plan *p = nullptr;
  configuration chosen;
  char *colon = strchr(text, ':');
  VW_TRY(state_of(vw_cuda_of(ctx), &c));
  VW_CHECK(colon && colon > text && colon - text < VW_CUDNN_KEY && parse_configuration(colon + 1, &chosen),
           VW_ERR_INPUT, "algorithms: a line is none of cuDNN's");
  *colon = 0;
  VW_CHECK(!find(c, text), VW_ERR_INPUT, "algorithms: '%s' is there already", text);
  VW_TRY(append(c, text, &p));
  p->chosen = chosen, p->is_started = true;
  return VW_OK;
}

static vw_status algorithms_text(const vw_context *ctx, char **text) {
  const vw_cudnn *c = vw_cuda_of(ctx)->cudnn;
  size_t bytes = 0;
  FILE *out = open_memstream(text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "out of memory: the text of a plan");
  for (const vw_cudnn_plan *p = c ? c->first : nullptr; p; p = p->next) {
    if (p->is_started && !p->is_made) continue;
    (void)fprintf(out, "%s: engine %lld", p->key, static_cast<long long>(p->chosen.engine));
    for (int i = 0; i < p->chosen.n_knobs; i++)
      (void)fprintf(out, " knob %lld %lld", static_cast<long long>(p->chosen.knobs[i].type),
                    static_cast<long long>(p->chosen.knobs[i].value));
    (void)fputc('\n', out);
  }
  VW_CHECK(fclose(out) == 0, VW_ERR_MEMORY, "out of memory: the text of a plan");
  return VW_OK;
}

#else

vw_status vw_cudnn_plan_of(vw_context *, const char *, vw_cudnn_limits, vw_cudnn_describe, const void *,
                           vw_cudnn_plan **plan) {
  *plan = nullptr;
  return VW_OK;
}
bool vw_cudnn_is_asked(const vw_context *, const char *) {
  return false;
}
bool vw_cudnn_is_tried(const vw_cudnn_plan *) {
  return false;
}
vw_status vw_cudnn_judge(vw_cudnn_plan *, bool) {
  return VW_OK;
}
const char *vw_cudnn_key(const vw_cudnn_plan *) {
  return "";
}
int vw_cudnn_candidates(const vw_cudnn_plan *) {
  return 0;
}
void vw_cudnn_use(vw_cudnn_plan *, int) {}
size_t vw_cudnn_workspace(const vw_cudnn_plan *) {
  return 0;
}
vw_status vw_cudnn_bind(vw_context *, const vw_cudnn_plan *, void *const *, int, void *, vw_cudnn_binding **out) {
  *out = nullptr;
  return VW_OK;
}
void vw_cudnn_unbind(vw_cudnn_binding *) {}
vw_status vw_cudnn_run(vw_context *, const vw_cudnn_binding *) {
  return VW_OK;
}
size_t vw_cudnn_version(const vw_cuda *) {
  return 0;
}
void vw_cudnn_close(vw_cuda *) {}
extern "C" vw_status vw_cuda_open_cudnn(vw_context *) {
  return VW_RAISE(VW_ERR_UNSUPPORTED, "this viswords was built without cuDNN's header");
}

static void algorithms_time(vw_context *, bool) {}
static vw_status algorithms_forget(vw_context *) {
  return VW_OK;
}
static vw_status algorithms_obey(vw_context *, int line, char *) {
  return VW_RAISE(VW_ERR_UNSUPPORTED, "algorithms: line %d is of cuDNN, and this viswords was built without its header",
                  line);
}
static vw_status algorithms_start(vw_context *, char *) {
  return VW_RAISE(VW_ERR_INPUT, "algorithms: a line is of cuDNN, and this viswords was built without its header");
}
static vw_status algorithms_text(const vw_context *, char **text) {
  *text = static_cast<char *>(calloc(1, 1));
  VW_CHECK(*text, VW_ERR_MEMORY, "out of memory: the text of a plan");
  return VW_OK;
}

#endif

extern "C" const vw_algorithm_library vw_cudnn_algorithms = {"cudnn",         algorithms_time,  algorithms_forget,
                                                             algorithms_obey, algorithms_start, algorithms_text};
