#include "core/methods/alignment/collapse_watch.h"

#include <ATen/ATen.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace acclimate::methods {
namespace {

constexpr char kPrefix[] = "collapse_watch.";

// Of the discriminator on its own training batches: above it, the domains stay apart.
constexpr double kWonAccuracy = 0.95;
// Of the classes in use beyond the first, relative to the source: below it, predictions collapsed.
constexpr double kCollapsedShare = 0.25;

// The number of equally frequent classes with the same entropy; 0 for no samples.
double ClassesInUse(const at::Tensor& counts) {
  const at::Tensor total = counts.sum();
  if (total.item<int64_t>() == 0) return 0;
  const at::Tensor shares = counts.to(at::kDouble) / total;
  return at::special_entr(shares).sum().exp().item<double>();
}

at::Tensor ShareOf(const at::Tensor& mask) { return mask.to(at::kDouble).mean(); }

// Between the last step s that does not count and the first that does, 4 (s + 1) > 3 steps, as a
// progress: clear of rounding.
double BeginOf(int64_t total_steps) {
  const double steps = static_cast<double>(total_steps);
  return (0.75 * steps - 0.875) / steps;
}

}  // namespace

CollapseWatch::CollapseWatch(int64_t num_classes, int64_t total_steps, const at::Device& device)
    : begin_(BeginOf(total_steps)),
      predicted_(at::zeros({num_classes}, at::TensorOptions(at::kLong).device(device))),
      labelled_(at::zeros_like(predicted_)),
      domains_(at::zeros({2}, at::TensorOptions(at::kDouble).device(device))),
      classes_(at::arange(num_classes, predicted_.options())) {}

at::Tensor CollapseWatch::Watches(const at::Tensor& progress) const { return progress.gt(begin_); }

// Not by bincount, which asks the device for its largest value.
void CollapseWatch::SeePredictions(const at::Tensor& progress, const at::Tensor& target_logits,
                                   const at::Tensor& source_labels) {
  const at::Tensor watches = Watches(progress);
  const auto count = [&](const at::Tensor& classes) {
    return classes.unsqueeze(1).eq(classes_).sum(0) * watches;
  };
  predicted_ += count(target_logits.argmax(1));
  if (source_labels.defined()) labelled_ += count(source_labels);
}

at::Tensor CollapseWatch::SeeDomains(const at::Tensor& progress,
                                     const at::Tensor& source_domain_logits,
                                     const at::Tensor& target_domain_logits) {
  const at::Tensor accuracy =
      0.5 * (ShareOf(source_domain_logits.gt(0)) + ShareOf(target_domain_logits.le(0)));
  domains_ += at::stack({accuracy, at::ones_like(accuracy)}) * Watches(progress);
  return accuracy;
}

std::vector<std::string> CollapseWatch::Warnings() const {
  std::vector<std::string> warnings;
  const double accuracy = (domains_[0] / domains_[1]).item<double>();  // NaN: none was seen
  if (accuracy > kWonAccuracy) {
    warnings.push_back(absl::StrFormat(
        "the domain classifier won: over the last quarter of the steps it told source from target "
        "in %.1f %% of the samples, so nothing was aligned",
        100 * accuracy));
  }
  const double in_use = ClassesInUse(predicted_);
  const double expected = labelled_.any().item<bool>() ? ClassesInUse(labelled_)
                                                       : static_cast<double>(predicted_.size(0));
  if (in_use > 0 && in_use - 1 < kCollapsedShare * (expected - 1)) {
    warnings.push_back(absl::StrFormat(
        "the predictions on the target collapsed: over the last quarter of the steps they were "
        "spread as over %.1f classes, where %.1f were to be expected",
        in_use, expected));
  }
  return warnings;
}

train::TensorMap CollapseWatch::State() const {
  return {{absl::StrCat(kPrefix, "predicted"), predicted_},
          {absl::StrCat(kPrefix, "labelled"), labelled_},
          {absl::StrCat(kPrefix, "domains"), domains_}};
}

absl::Status CollapseWatch::Restore(const train::TensorMap& state) {
  return train::CopyInto(State(), state);
}

}  // namespace acclimate::methods
