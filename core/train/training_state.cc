#include "core/train/training_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/io/tensor_file.h"

namespace acclimate::train {
namespace {

constexpr char kFormatKey[] = "format";
constexpr char kFormat[] = "acclimate-training-state-1";

}  // namespace

void TrainingState::Add(absl::string_view prefix, const TensorMap& part) {
  for (const auto& [name, tensor] : part) tensors[absl::StrCat(prefix, name)] = tensor;
}

TensorMap TrainingState::Part(absl::string_view prefix) const {
  TensorMap part;
  for (auto it = tensors.lower_bound(std::string(prefix)); it != tensors.end(); ++it) {
    absl::string_view name = it->first;
    if (!absl::ConsumePrefix(&name, prefix)) break;
    part[std::string(name)] = it->second;
  }
  return part;
}

absl::StatusOr<int64_t> IntegerIn(const TensorMap& tensors, const std::string& name) {
  const auto it = tensors.find(name);
  if (it == tensors.end() || it->second.numel() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("training state: no number ", name));
  }
  return it->second.item<int64_t>();
}

absl::Status CopyInto(const TensorMap& own, const TensorMap& state) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    const auto it = state.find(name);
    if (it == state.end() || it->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("training state: no fitting ", name));
    }
    tensor.copy_(it->second);
  }
  return absl::OkStatus();
}

absl::Status WriteTrainingState(const std::string& path, const TrainingState& state) {
  std::map<std::string, std::string> metadata = state.notes;
  metadata[kFormatKey] = kFormat;
  return io::WriteSafetensors(path, state.tensors, metadata);
}

absl::StatusOr<TrainingState> ReadTrainingState(std::shared_ptr<io::MappedFile> file) {
  absl::StatusOr<io::TensorFile> read = io::ReadSafetensors(std::move(file));
  if (!read.ok()) return read.status();
  TrainingState state{std::move(read->tensors), std::move(read->metadata)};
  if (state.notes[kFormatKey] != kFormat) {
    return absl::InvalidArgumentError("not a training state");
  }
  state.notes.erase(kFormatKey);
  return state;
}

}  // namespace acclimate::train
