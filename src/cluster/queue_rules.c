#include "cluster/queue_rules.h"

/* nanoseconds: a rank's looks are so far apart at least, those of n ranks together 1 / n of the second */
enum { LOOK_NS = 50000000, LOOK_NS_A_RANK = 500000 };

const char *const vw_queue_request_names[VW_QUEUE_REQUESTS] = {
    [VW_QUEUE_TAKE] = "takes", [VW_QUEUE_REPORT] = "reports", [VW_QUEUE_LOOK] = "looks", [VW_QUEUE_HALT] = "halts"};

void vw_queue_side_open(vw_queue_side *s, int64_t n_items, int64_t ranks) {
  *s = (vw_queue_side){.n_items = n_items, .look_ns = LOOK_NS};
  if (ranks * LOOK_NS_A_RANK > s->look_ns) s->look_ns = ranks * LOOK_NS_A_RANK;
}

static bool wants(const vw_queue_side *s, vw_queue_request what, int64_t now_ns) {
  switch (what) {
  case VW_QUEUE_REPORT:
    return s->unreported > 0;
  case VW_QUEUE_LOOK:
    return !s->is_stopped && now_ns - s->looked_ns > s->look_ns;
  default:
    return !s->is_stopped;
  }
}

bool vw_queue_side_sends(vw_queue_side *s, vw_queue_request what, int64_t now_ns) {
  if (s->is_busy[what] || !wants(s, what, now_ns)) return false;
  s->is_busy[what] = true;
  s->sent[what]++;
  s->add[what] = what == VW_QUEUE_TAKE ? 1 : 0;
  if (what == VW_QUEUE_REPORT) s->add[what] = s->unreported, s->unreported = 0;
  if (what == VW_QUEUE_LOOK) s->looked_ns = now_ns;
  if (what == VW_QUEUE_HALT) s->add[what] = VW_QUEUE_STOP, s->is_stopped = true;
  return true;
}

int vw_queue_word_of(vw_queue_request what) {
  return what == VW_QUEUE_REPORT ? VW_QUEUE_DONE : VW_QUEUE_NEXT;
}

void vw_queue_side_hears(vw_queue_side *s, vw_queue_request what, int64_t before) {
  s->is_busy[what] = false;
  if (what != VW_QUEUE_REPORT) {
    if (before >= VW_QUEUE_STOP) s->is_stopped = true;
  } else if (before + s->add[what] > s->done_seen) {
    s->done_seen = before + s->add[what];
  }
}

int64_t vw_queue_side_index(const vw_queue_side *s, int64_t before) {
  return !s->is_stopped && before < s->n_items ? before : -1;
}

void vw_queue_side_did(vw_queue_side *s, int64_t units) {
  s->unreported += units;
}
