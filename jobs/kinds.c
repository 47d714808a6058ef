/* The one list of kinds of this program. */
#include "tasks/kinds.h"
#include "networks/clip.h"
#include "networks/owlv2.h"
#include "networks/stable_diffusion.h"
#include "tasks/classify/classify.h"
#include "tasks/detect/detect.h"
#include "tasks/generation/generation.h"

const vw_kind vw_kinds[] = {
    {&vw_clip_kind, &vw_classification_kind}, {&vw_owlv2_kind, &vw_detection_kind}, {&vw_sd_kind, &vw_generation_kind}};
const int vw_n_kinds = sizeof vw_kinds / sizeof *vw_kinds;
const char vw_kinds_later[] = "";
