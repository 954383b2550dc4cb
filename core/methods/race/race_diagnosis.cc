#include "core/methods/race/race_diagnosis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/methods/registry.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

constexpr char kMethod[] = "diagnose";
// Of each domain: enough for a verdict on kind and strength, in a sixth of the time that the job
// `diagnose` takes for its table.
constexpr int64_t kSamples = 500;
constexpr char kText[] = "diagnosis";  // of the state: the JSON, byte by byte

}  // namespace

absl::StatusOr<RaceDiagnosis> RaceDiagnosis::Create(const MethodContext& context) {
  RaceDiagnosis diagnosis(context);
  const MethodEntry* entry = FindMethod(kMethod);
  if (entry == nullptr || context.sources.empty()) return diagnosis;
  const Settings settings(*ResolveHyperparameters(entry->spec, {{"samples", kSamples}}));
  const MethodContext inner = {
      context.model, context.sources, context.target, context.device, settings, context.inputs, {},
      context.seed};
  absl::StatusOr<std::unique_ptr<train::Task>> task = entry->make_task(inner);
  if (!task.ok()) return task.status();
  diagnosis.task_ = *std::move(task);
  return diagnosis;
}

absl::Status RaceDiagnosis::Run(train::StopSignal& stop) {
  if (task_ == nullptr || !diagnosis_.is_null()) return absl::OkStatus();
  train::TrainerOptions options;
  options.device = context_->device;
  options.seed = context_->seed;
  absl::Status status = train::Trainer(*task_, context_->model, context_->sources, context_->target,
                                       options, train::TrainerHooks())
                            .Run(stop);
  if (!status.ok()) return status;
  nlohmann::json report;
  task_->Report(report);
  diagnosis_ = std::move(report["diagnosis"]);
  return absl::OkStatus();
}

std::string RaceDiagnosis::Obstacle(const std::string& method) const {
  if (diagnosis_.is_null()) return "";
  for (const nlohmann::json& unfit : diagnosis_["verdict"]["methods_that_cannot"]) {
    if (unfit["name"] == method) return unfit["reason"];
  }
  return "";
}

std::string RaceDiagnosis::Sentence() const {
  if (diagnosis_.is_null()) return "";
  return diagnosis_["verdict"]["sentence"];
}

void RaceDiagnosis::Report(nlohmann::json& report) const {
  if (!diagnosis_.is_null()) report["diagnosis"] = diagnosis_;
}

train::TensorMap RaceDiagnosis::State() const {
  if (task_ == nullptr) return {};
  const std::string text = diagnosis_.dump();  // "null" before Run()
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  return {{kText, bytes}};
}

absl::Status RaceDiagnosis::Restore(const train::TensorMap& state) {
  if (task_ == nullptr) return absl::OkStatus();
  const auto it = state.find(kText);
  if (it == state.end()) return absl::InvalidArgumentError("training state: no diagnosis");
  const at::Tensor bytes = it->second.contiguous();
  if (bytes.scalar_type() == at::kByte) {
    const auto* const begin = bytes.data_ptr<uint8_t>();
    diagnosis_ = nlohmann::json::parse(begin, begin + bytes.numel(), nullptr,
                                       /*allow_exceptions=*/false);
  }
  if (bytes.scalar_type() == at::kByte && !diagnosis_.is_discarded()) return absl::OkStatus();
  return absl::InvalidArgumentError("training state: its diagnosis is damaged");
}

}  // namespace acclimate::methods
