// How far a run is, and what its owner wants of it. Free of LibTorch.
#ifndef ACCLIMATE_CORE_TRAIN_PROGRESS_H_
#define ACCLIMATE_CORE_TRAIN_PROGRESS_H_

#include <cstdint>

namespace acclimate::train {

struct Progress {
  int64_t step = 0, total_steps = 0;  // training steps (optimiser updates or passes)
  int64_t epoch = 0, total_epochs = 0;
  int64_t samples = 0;      // target and source samples seen so far
  double step_seconds = 0;  // mean over the steps since the last report
};

enum class Directive { kContinue, kCancel, kPause };

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_PROGRESS_H_
