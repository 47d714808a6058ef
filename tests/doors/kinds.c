/* The list of kinds of the test program: the real one's, and the toy. */
#include "tasks/kinds.h"
#include "networks/clip.h"
#include "tasks/classify/classify.h"
#include "tests/doors/toy.h"

const vw_kind vw_kinds[] = {{&vw_clip_kind, &vw_classification_kind}, {&toy_network_kind, &toy_task_kind}};
const int vw_n_kinds = sizeof vw_kinds / sizeof *vw_kinds;
const char vw_kinds_later[] = "";
