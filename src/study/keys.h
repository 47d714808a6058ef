/* The table of all keys of a study file, private to src/study and io/study_*.c. */
#ifndef VW_STUDY_KEYS_H
#define VW_STUDY_KEYS_H

#include "study/config.h"

/* A key of learn, trials, plan, judge or truncation may stand for all models, and again under one: models.<name>.learn.steps. */
typedef enum vw_section {
  VW_SEC_STUDY,
  VW_SEC_DATA,
  VW_SEC_MODEL,
  VW_SEC_LEARN,
  VW_SEC_TRIALS,
  VW_SEC_PLAN,
  VW_SEC_JUDGE,
  VW_SEC_TRUNCATION,
  VW_SECTIONS
} vw_section;
enum { VW_SHARED_SECTIONS = VW_SECTIONS - VW_SEC_LEARN }; /* those from VW_SEC_LEARN on */

typedef enum vw_key_type {
  VW_KEY_TEXT,       /* const char * */
  VW_KEY_PATH,       /* const char *, relative to the study file */
  VW_KEY_INT,        /* int64_t */
  VW_KEY_AUTO,       /* int64_t, 0 for `auto` */
  VW_KEY_MEMORY,     /* int64_t bytes, 0 for `auto` */
  VW_KEY_STEPS,      /* int64_t; a number or a map by model name */
  VW_KEY_REAL,       /* double */
  VW_KEY_CHOICE,     /* int: place in `choices` */
  VW_KEY_KIND,       /* const char *: one of vw_study_kinds.models */
  VW_KEY_NAMES,      /* vw_names */
  VW_KEY_STAGES,     /* vw_names, each in `choices` */
  VW_KEY_CLASSES,    /* vw_names: a list, or the path of a file with a name a line */
  VW_KEY_TEMPLATE,   /* const char * with one {} */
  VW_KEY_TEMPLATES,  /* vw_names with one {} each */
  VW_KEY_DELTAS,     /* vw_numbers; `free` is INFINITY */
  VW_KEY_LAYERS,     /* vw_numbers, whole ones */
  VW_KEY_VOCABULARY, /* const char *: one of `choices`, or a path */
  VW_KEY_SECTION     /* a mapping of its own */
} vw_key_type;

typedef struct vw_key {
  const char *key; /* full, with <name> for what the study names */
  vw_key_type type;
  vw_section section; /* whose struct `offset` counts in */
  size_t offset;
  const char *text;    /* default, as YAML; NULL: required; "": none, the member stays zero */
  const char *choices; /* separated by blanks */
  const char *later;   /* known to the format, not built yet */
  const char *help;
  double min, max; /* of every number; `above`: min itself is out */
  int needs;       /* optimiser that alone reads the key, plus 1; 0: always read */
  bool above;
  bool protocol; /* part of a trial's identity */
  bool judging;  /* part of an evaluation's identity, not of a trial's: words are judged again, never learned again */
  bool judged_with; /* part of an evaluation's identity for the tasks that name it (vw_study_kinds.keys); all read it */
  bool may_be_empty;  /* of a text: "" is one */
  bool scoped;        /* read by the tasks that name it alone (vw_study_kinds.keys) */
  bool aside;         /* decides nothing about results: no part of the values that two studies are compared by */
  bool alone;         /* of a shared section: stands under a model alone, there is none for all models */
  bool with_stopping; /* read only where words may stop early */
  bool of_stopping;   /* of a protocol: read always, but words depend on it only where they may stop early */
  /* Of a data set: the kinds that alone read it, separated by blanks; NULL: all. */
  const char *kinds;
  /* Of a key that came later: the value that was always meant before, as it is printed; only another one enters the
   * identity of a trial. NULL: always enters. */
  const char *as_ever;
} vw_key;

extern const vw_key vw_study_keys[];
extern const int vw_study_n_keys;

/* Whether this model reads the key: by its optimiser and by what its task reads. */
bool vw_key_applies(const vw_key *o, const vw_model_config *m);

/* What a list of "KEY=VALUE", separated by blanks (NULL: empty), says of the key; its length in *length. NULL: nothing. */
const char *vw_key_default(const char *list, const char *key, int *length);

/* The place in the table of a key that is there. */
int vw_key_place(const char *key);
/* Whether data sets of this kind read the key. */
bool vw_key_is_of_kind(const vw_key *o, const vw_data_config *d);

/* The key below its section: "learn.batch.positives" to "batch.positives". */
const char *vw_key_name(const vw_key *o);

/* "learn", "trials", ...: the key of a shared section, and where the struct that its keys count in lies in a model's.
 */
typedef struct vw_shared_section {
  const char *key;
  size_t offset;
} vw_shared_section;
const vw_shared_section *vw_section_shared(vw_section section);

/* "an integer from 1 to 64", "a list of names", ...: what a value must be. */
void vw_key_expected(const vw_key *o, const vw_study_kinds *kinds, char *out, size_t bytes);

/* Whether `word` is among the words of `list` (NULL: none); its place, or -1. */
int vw_word_place(const char *list, const char *word, size_t length);

/* The i-th word of `list`, its length in *length; NULL behind the end. */
const char *vw_word_at(const char *list, int i, int *length);

/* "; did you mean X?" where a word of `list` is near, else "". The text lives until the next call of this thread. */
const char *vw_word_hint(const char *list, const char *word);

#endif
