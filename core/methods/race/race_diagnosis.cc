#include "core/methods/race/race_diagnosis.h"

#include <utility>

#include "core/methods/registry.h"
#include "core/train/tensor_maps.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

constexpr char kMethod[] = "diagnose";
constexpr char kText[] = "diagnosis";  // of the state: the JSON, byte by byte

}  // namespace

absl::StatusOr<RaceDiagnosis> RaceDiagnosis::Create(const MethodContext& context) {
  RaceDiagnosis diagnosis(context);
  const MethodEntry* entry = FindMethod(kMethod);
  if (entry == nullptr || context.sources.empty()) return diagnosis;
  const Settings settings(*ResolveHyperparameters(entry->spec, {}));
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
  return {{kText, train::TextTensor(diagnosis_.dump())}};  // "null" before Run()
}

absl::Status RaceDiagnosis::Restore(const train::TensorMap& state) {
  if (task_ == nullptr) return absl::OkStatus();
  const auto it = state.find(kText);
  if (it == state.end()) return absl::InvalidArgumentError("training state: no diagnosis");
  const absl::optional<std::string> text = train::TextOf(it->second);
  if (text) diagnosis_ = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (text && !diagnosis_.is_discarded()) return absl::OkStatus();
  return absl::InvalidArgumentError("training state: its diagnosis is damaged");
}

}  // namespace acclimate::methods
