#include "core/methods/continual/continual_memory.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/tensor_file.h"

namespace acclimate::methods {
namespace {

constexpr char kReplay[] = "replay/";
constexpr char kFisher[] = "fisher/";
constexpr char kAnchor[] = "anchor/";
constexpr char kAccuracyName[] = "accuracy";
constexpr char kInputsName[] = "inputs";
constexpr char kLabelsName[] = "labels";
constexpr char kLogitsName[] = "logits";
constexpr char kSeenName[] = "seen";

std::string EvaluationPrefix(int64_t task) { return absl::StrCat("evaluation/", task, "/"); }

absl::StatusOr<data::Dataset> ReadDataset(const train::TensorMap& part, const std::string& name,
                                          const data::Dataset& like, int64_t classes) {
  const auto inputs = part.find(kInputsName), labels = part.find(kLabelsName);
  if (inputs == part.end() || labels == part.end()) {
    return absl::InvalidArgumentError(absl::StrCat("no ", name, "inputs and ", name, "labels"));
  }
  absl::StatusOr<data::Dataset> dataset = like.WithSamples(inputs->second, labels->second, name);
  if (dataset.ok() && dataset->num_classes() > classes) {
    return absl::InvalidArgumentError(absl::StrCat(name, "labels: the model has ", classes,
                                                   " classes, not ", dataset->num_classes()));
  }
  return dataset;
}

absl::Status ReadReplay(const train::TensorMap& part, const data::Dataset& like, int64_t classes,
                        ContinualMemory& memory) {
  const absl::StatusOr<int64_t> seen = train::IntegerIn(part, kSeenName);
  if (!seen.ok()) return absl::InvalidArgumentError("not a memory of continual");
  memory.seen = *seen;
  if (part.count(kInputsName) == 0) return absl::OkStatus();
  absl::StatusOr<data::Dataset> replay = ReadDataset(part, kReplay, like, classes);
  if (!replay.ok()) return replay.status();
  const auto logits = part.find(kLogitsName);
  if (logits == part.end() || logits->second.scalar_type() != at::kFloat ||
      logits->second.sizes() != at::IntArrayRef({replay->size(), classes}) ||
      memory.seen < replay->size()) {
    return absl::InvalidArgumentError(absl::StrCat(kReplay, kLogitsName, ": must be float32 [",
                                                   replay->size(), ", ", classes, "]"));
  }
  memory.replay = *std::move(replay);
  memory.replay_logits = logits->second;
  return absl::OkStatus();
}

}  // namespace

train::TensorMap ToTensors(const train::TensorMap& replay,
                           const std::vector<const data::Dataset*>& evaluation,
                           const at::Tensor& accuracy, const train::TensorMap& fisher,
                           const train::TensorMap& anchor) {
  train::TrainingState state;  // for its prefixes
  state.Add(kReplay, replay);
  for (size_t task = 0; task < evaluation.size(); ++task) {
    state.Add(EvaluationPrefix(static_cast<int64_t>(task)),
              {{kInputsName, evaluation[task]->stored_inputs()},
               {kLabelsName, evaluation[task]->labels()}});
  }
  state.tensors[kAccuracyName] = accuracy;
  state.Add(kFisher, fisher);
  state.Add(kAnchor, anchor);
  return state.tensors;
}

absl::StatusOr<ContinualMemory> ReadContinualMemory(std::shared_ptr<io::MappedFile> file,
                                                    const data::Dataset& like, int64_t classes) {
  absl::StatusOr<io::TensorFile> read = io::ReadSafetensors(std::move(file));
  if (!read.ok()) return read.status();
  const train::TrainingState state{std::move(read->tensors), {}};
  ContinualMemory memory;
  absl::Status status = ReadReplay(state.Part(kReplay), like, classes, memory);
  if (!status.ok()) return status;
  const auto accuracy = state.tensors.find(kAccuracyName);
  if (accuracy == state.tensors.end() || accuracy->second.scalar_type() != at::kDouble ||
      accuracy->second.dim() != 2 || accuracy->second.size(0) != accuracy->second.size(1)) {
    return absl::InvalidArgumentError("accuracy: must be float64 [T, T]");
  }
  memory.accuracy = accuracy->second;
  for (int64_t task = 0; task < memory.accuracy.size(0); ++task) {
    const std::string prefix = EvaluationPrefix(task);
    absl::StatusOr<data::Dataset> part = ReadDataset(state.Part(prefix), prefix, like, classes);
    if (!part.ok()) return part.status();
    memory.evaluation.push_back(*std::move(part));
  }
  memory.fisher = state.Part(kFisher);
  memory.anchor = state.Part(kAnchor);
  return memory;
}

}  // namespace acclimate::methods
