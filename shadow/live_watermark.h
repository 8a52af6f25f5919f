// The capture thread's watermark as it is now, for readers in the same process: the journal carries
// one only with its records.
#pragma once

#include "compare/mutex.h"
#include "shadow/journal.h"

namespace pgparity::shadow {

// Thread-safe.
class LiveWatermark {
 public:
  struct Values {
    OrderKey watermark;
    Stamp settled = 0;
    Position journal_end = 0;   // holds for every unit from here on
    uint64_t last_ordinal = 0;  // of the newest unit journalled
  };

  void Publish(const Values& values) {
    MutexLock lock(&mutex_);
    values_ = values;
  }
  Values Load() const {
    MutexLock lock(&mutex_);
    return values_;
  }

 private:
  mutable Mutex mutex_;
  Values values_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pgparity::shadow
