// The owner's wish to stop, asked between steps and between the batches of a pass.
#ifndef ACCLIMATE_CORE_TRAIN_STOP_SIGNAL_H_
#define ACCLIMATE_CORE_TRAIN_STOP_SIGNAL_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "core/train/progress.h"

namespace acclimate::train {

// Once a stop was asked for, the answer stays, so that every loop on the way out sees it.
class StopSignal {
 public:
  explicit StopSignal(std::function<Directive()> poll) : poll_(std::move(poll)) {}

  // CANCELLED when the run is to stop (to pause, too). A pass that gets it returns at once and
  // leaves nothing that repeating it would not overwrite.
  absl::Status Check() {
    if (directive_ == Directive::kContinue) directive_ = poll_();
    if (directive_ == Directive::kContinue) return absl::OkStatus();
    return absl::CancelledError("asked to stop");
  }

  Directive directive() const { return directive_; }

 private:
  std::function<Directive()> poll_;
  Directive directive_ = Directive::kContinue;
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_STOP_SIGNAL_H_
