/* .lock of an output directory: what it says of its owner, who may live. */
#include "io/lock_internal.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
  static vw_lock_record self;
  vw_lock_record who;
  vw_lock_sign sign;
  char owner[VW_LOCK_OWNER_BYTES];
  bool there = false, known = false;
  if (!self.pid && vw_lock_record_self(&self) != VW_OK) abort();
  if (vw_lock_record_read(fuzz_file(".lock", data, size), &who, &there, &known) != VW_OK || !there) abort();
  if (known && vw_lock_record_life(&who, &self) > VW_LOCK_UNKNOWN) abort();
  if (strlen(who.text) >= VW_LOCK_TEXT || strlen(who.host) >= VW_LOCK_HOST) abort();
  if (vw_lock_owner(FUZZ_FOLDER, NULL, owner) && strlen(owner) >= sizeof owner) abort();
  (void)vw_lock_look(FUZZ_FOLDER, NULL, &sign);
}
