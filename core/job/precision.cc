#include "core/job/precision.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/failure.h"
#include "core/runtime/precision.h"

namespace acclimate::job {
namespace {

constexpr char kField[] = "precision";
constexpr char kAuto[] = "auto";
constexpr char kFull[] = "fp32";
// A processor with bf16 takes 0.9 to 1.45 times the pace of fp32, by the size of the maps: rounding
// weights and inputs costs the same for small ones (docs/performance.md).
constexpr int64_t kLeastPixels = 64 * 64;

bool MapsAreLarge(const data::Dataset& dataset) {
  const std::vector<int64_t> shape = dataset.sample_shape();
  return shape.size() == 3 && shape[1] * shape[2] >= kLeastPixels;
}

// Rules 1 to 4.
absl::StatusOr<runtime::Precision> Choose(const RunSpec& spec, const Inputs& inputs) {
  std::string wanted = spec.precision, field = kField;
  if (wanted == kAuto && spec.resume_state != nullptr) {
    field = "resume_state";
    const absl::StatusOr<train::TrainingState> state = train::ReadTrainingState(spec.resume_state);
    if (!state.ok()) return InField(field, state.status());
    wanted = RecordedPrecision(*state);
  } else if (wanted == kAuto && inputs.method->spec.full_precision) {
    wanted = kFull;
  } else if (wanted == kAuto && inputs.device.is_cpu() && !MapsAreLarge(inputs.method_target())) {
    wanted = kFull;
  }
  absl::StatusOr<runtime::Precision> precision =
      runtime::ResolvePrecision(wanted, inputs.device, runtime::HasFastBf16(inputs.device));
  if (!precision.ok()) return InField(field, precision.status());
  return precision;
}

// A model, and a sample that it reads.
using Readers = std::vector<std::pair<model::Model*, at::Tensor>>;

Readers AllModels(const Inputs& inputs) {
  const auto sample = [&](const data::Dataset& dataset) {
    return dataset.Slice(0, 1, inputs.device).inputs;
  };
  Readers all = {{inputs.model.get(), sample(inputs.method_target())}};
  for (const auto& [name, model] : inputs.extra.models) {
    all.emplace_back(model.get(), sample(inputs.ReadBy(name)));
  }
  return all;
}

absl::Status TryOn(const Readers& models) {
  const at::NoGradGuard no_grad;
  try {
    for (const auto& [model, sample] : models) model->Forward(sample, model::Mode::kEvaluation);
  } catch (...) {
    return StatusFromCurrentException();
  }
  return absl::OkStatus();
}

void Set(const Readers& models, at::ScalarType type) {
  for (const auto& [model, sample] : models) model->set_precision(type);
}

}  // namespace

std::string RecordedPrecision(const train::TrainingState& state) {
  const auto note = state.notes.find(kPrecisionNote);
  return note == state.notes.end() ? kFull : note->second;
}

absl::Status SetPrecision(const RunSpec& spec, RunObserver& observer, Inputs& inputs) {
  const absl::StatusOr<runtime::Precision> precision = Choose(spec, inputs);
  if (!precision.ok()) return precision.status();
  inputs.precision = precision->type;
  if (!precision->warning.empty()) {
    observer.OnWarning(absl::StrCat(kField, ": ", precision->warning));
  }
  if (inputs.precision == at::kFloat) return absl::OkStatus();
  const Readers models = AllModels(inputs);
  Set(models, inputs.precision);
  const absl::Status tried = TryOn(models);
  if (tried.ok()) return tried;
  const std::string problem =
      absl::StrCat(kField, ": the model does not run in ", runtime::PrecisionName(inputs.precision),
                   ": ", tried.message());
  if (spec.precision != kAuto || !absl::IsInvalidArgument(tried)) {
    return absl::Status(tried.code(), problem);
  }
  observer.OnWarning(absl::StrCat(problem, "; fp32 is taken"));
  inputs.precision = at::kFloat;
  Set(models, inputs.precision);
  return absl::OkStatus();
}

}  // namespace acclimate::job
