// What meta-learning methods share: a step is a batch of few-shot episodes, and episodes of other
// classes measure what was learned, before and after.
#ifndef ACCLIMATE_CORE_METHODS_FEW_SHOT_EPISODIC_TASK_H_
#define ACCLIMATE_CORE_METHODS_FEW_SHOT_EPISODIC_TASK_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/types/optional.h"
#include "core/data/episodes.h"
#include "core/methods/method.h"

namespace acclimate::methods {

enum class EpisodeUse { kTraining, kEvaluation };

struct EpisodicDefaults {
  int64_t ways = 5, shots = 1, queries = 5;
  int64_t meta_batch = 4;
  int64_t steps = 5000;
  double learning_rate = 2e-3;
};

// Mean and half width of a 95 % interval over episodes.
struct EpisodeAccuracy {
  double mean = 0;
  double half_width = 0;
};

// The loss of a step is the mean over its episodes of CE(QueryLogits, query labels). Episodes are
// taken one after the other: memory is that of one.
class EpisodicTask : public train::Task {
 public:
  const train::Plan& plan() const override { return plan_; }
  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override;
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override;
  absl::Status Finish(train::StopSignal& stop) override;

  train::TensorMap State() const override;
  absl::Status Restore(const train::TensorMap& state) override;
  void Report(nlohmann::json& report) const override;
  std::map<std::string, double> Metrics() const override;

  // INVALID_ARGUMENT names the data that do not give such episodes. To be called first.
  absl::Status SetUp();

 protected:
  // Leaves plan().groups to the method.
  explicit EpisodicTask(const MethodContext& context);

  // Logits [ways * queries, ways] of the query after learning the support.
  virtual at::Tensor QueryLogits(const data::Episode& episode, EpisodeUse use) = 0;
  // What the model's metadata say beside the algorithm, which is the method's name.
  virtual std::map<std::string, std::string> Notes() const { return {}; }
  virtual const char* Algorithm() const = 0;

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  train::Plan plan_;

 private:
  absl::StatusOr<EpisodeAccuracy> Validate(train::StopSignal& stop);

  const data::EpisodeShape shape_;
  const bool rotations_;
  const train::View views_;  // empty: none
  const int64_t meta_batch_;
  const int64_t validation_episodes_;
  const data::Dataset* const validation_data_;  // null: none given
  absl::optional<data::EpisodeSampler> episodes_;
  absl::optional<data::EpisodeSampler> validation_;
  absl::optional<EpisodeAccuracy> before_, after_;
};

// Data needs and hyperparameters; the caller adds names and texts.
MethodSpec EpisodicSpec(const EpisodicDefaults& defaults);

// Keys of the metadata that a meta-trained model carries and adapt_few_shot reads.
inline constexpr char kFewShotAlgorithm[] = "few_shot.algorithm";
inline constexpr char kFewShotHead[] = "few_shot.head";  // one of the next two
inline constexpr char kFewShotPrototypes[] = "prototypes", kFewShotLearnt[] = "learnt";
inline constexpr char kFewShotInnerSteps[] = "few_shot.inner_steps";
inline constexpr char kFewShotInnerLearningRate[] = "few_shot.inner_learning_rate";

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SHOT_EPISODIC_TASK_H_
