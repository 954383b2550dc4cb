#include "core/methods/peers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/types/optional.h"
#include "core/methods/linear_peer.h"
#include "core/methods/race/racer.h"
#include "core/methods/registry.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

// In this order. Methods without source data keep the source model's own mistakes.
constexpr const char* kPeerMethods[] = {"dann", "mcc", "cdan", "deep_coral"};
constexpr int64_t kParts = 8;  // of a plan; the first is run

absl::StatusOr<selection::Candidate> RunPeer(const MethodEntry& entry, const MethodContext& context,
                                             int64_t steps, const selection::Examiner& examiner,
                                             train::StopSignal& stop) {
  const std::unique_ptr<model::Model> model = context.model.Clone();
  Hyperparameters values = *ResolveHyperparameters(entry.spec, {});
  values["steps"] = steps;
  const ExtraInputs no_inputs;
  const absl::StatusOr<std::unique_ptr<train::Task>> task =
      entry.make_task({*model, context.sources, context.target, context.device, Settings(values),
                       no_inputs, context.held_out, context.seed});
  if (!task.ok()) return task.status();
  train::TrainerOptions options;
  options.device = context.device;
  options.seed = context.seed;
  train::Trainer trainer(**task, *model, context.sources, context.target, options, {});
  absl::Status status = trainer.RunTo(std::max<int64_t>(steps / kParts, 1), stop);
  if (status.ok()) status = (*task)->Preview(examiner.target_sample(), stop);
  if (!status.ok()) return status;
  return examiner.Examine(*model, absl::nullopt, stop);
}

}  // namespace

absl::StatusOr<selection::OtherModels> RunPeers(const MethodContext& context,
                                                const std::string& method, int64_t count,
                                                int64_t steps, const selection::Examiner& examiner,
                                                train::StopSignal& stop) {
  selection::OtherModels peers;
  if (count > 0) peers.linear = LinearPeer(context, examiner);
  const size_t methods = static_cast<size_t>(count) - (peers.linear ? 1 : 0);
  for (const char* name : kPeerMethods) {
    if (peers.methods.size() == methods) break;
    const MethodEntry& entry = *FindMethod(name);
    if (name == method || !ObstacleTo(entry, context, /*source_free=*/false).empty()) continue;
    absl::StatusOr<selection::Candidate> peer = RunPeer(entry, context, steps, examiner, stop);
    if (absl::IsInvalidArgument(peer.status())) continue;
    if (!peer.ok()) return peer.status();
    peers.methods.push_back(*std::move(peer));
  }
  return peers;
}

}  // namespace acclimate::methods
