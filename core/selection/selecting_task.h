// Any task, with the weights that it returns chosen without labels.
//
// With selection=last and guard=off nothing is chosen: the source model as it came and the finished
// model are looked at, for the estimates alone.
//
// Else, at some moments of the run the model is finished on a sample of the target, scored, and put
// back as it was; the training does not notice. At the end the candidate that an ensemble of
// validators prefers is returned, unless it does not hold against the source model: then that one
// is, in its better form, and the run says so.
#ifndef ACCLIMATE_CORE_SELECTION_SELECTING_TASK_H_
#define ACCLIMATE_CORE_SELECTION_SELECTING_TASK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/selection/candidate.h"
#include "core/selection/choice.h"
#include "core/selection/examiner.h"
#include "core/train/task.h"

namespace acclimate::selection {

// Replaces the batch-norm statistics of the model by those of the dataset.
using TakeStatistics = absl::Status (*)(model::Model& model, const data::Dataset& target,
                                        const at::Device& device, train::StopSignal& stop);

struct SelectionOptions {
  bool ensemble = true;          // false: the last weights
  bool guard = true;             // false: an adapted model, whatever the validators say
  std::vector<int64_t> moments;  // steps done, rising, each before the last; the end is always one
};

// What models of another kind say of the examiner's samples.
using AskWitnesses = std::function<absl::StatusOr<Witnesses>(train::StopSignal& stop)>;

// Model and target outlive the task.
struct SelectionSetting {
  model::Model& model;
  const data::Dataset& target;
  at::Device device;
  std::shared_ptr<const Examiner> examiner;
  TakeStatistics take_statistics;
  AskWitnesses ask_witnesses = nullptr;      // once, with the source model
  std::shared_ptr<Sights> sights = nullptr;  // filled where given
};

class SelectingTask : public train::Task {
 public:
  // `inner` has been made over the same model, which still is the source model; it trains that or
  // one of its own.
  SelectingTask(std::unique_ptr<train::Task> inner, const SelectionSetting& setting,
                SelectionOptions options);

  const train::Plan& plan() const override { return inner_->plan(); }
  absl::Status BeforeStep(int64_t step, train::StopSignal& stop) override;
  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override;
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override;
  int KindOf(int64_t step) const override;
  void AfterStep(int64_t steps_done) override;
  absl::Status Finish(train::StopSignal& stop) override;
  train::TensorMap State() const override;
  absl::Status Restore(const train::TensorMap& state) override;
  at::Tensor confusion_matrix() const override { return inner_->confusion_matrix(); }
  at::Tensor target_probabilities() const override { return inner_->target_probabilities(); }
  void Report(nlohmann::json& report) const override;
  std::vector<std::string> Warnings() const override;
  std::map<std::string, double> Metrics() const override;
  std::map<std::string, train::TensorMap> Files() const override { return inner_->Files(); }
  std::unique_ptr<model::Model> TakeModel() override;

  // The source model's forms first, then the adapted ones by step.
  const std::vector<Candidate>& candidates() const { return candidates_; }
  // Adds the model as it stands after `step` steps, unless it was added before.
  absl::Status TakeCandidate(int64_t step, train::StopSignal& stop);
  // The source model's forms become the first candidates, unless they are. Before the first step.
  absl::Status ExamineSource(train::StopSignal& stop);

 private:
  // What leads back to a candidate.
  struct Snapshot {
    train::TensorMap model;  // tensors that differ from the source model's, before Finish()
    train::TensorMap task;
  };

  // False: the last weights are returned, whatever anything says of them.
  bool chooses() const { return options_.ensemble || options_.guard; }
  // Finishes the model that is returned and looks at it as it then is.
  absl::Status FinishLast(train::StopSignal& stop);
  void Keep(Candidate candidate, int64_t step, Snapshot snapshot);
  void SetWitnesses(Witnesses witnesses);
  absl::StatusOr<Candidate> ExamineSourceStatistics(train::StopSignal& stop);
  void KeepLeadingSnapshots();
  absl::Status ReturnTo(int64_t step);
  absl::Status ReturnToSource(bool target_statistics, train::StopSignal& stop);
  // Of the candidates as they are; estimated once.
  const Choice& Chosen() const;

  std::unique_ptr<train::Task> inner_;
  const SelectionSetting setting_;
  const SelectionOptions options_;
  const train::TensorMap source_;              // the model's tensors as they came
  const absl::optional<SourceRecord> record_;  // of the checkpoint
  int64_t steps_ = 0;                          // done
  std::vector<Candidate> candidates_;
  Witnesses witnesses_;
  std::map<int64_t, Snapshot> snapshots_;  // by step; of the leading candidates
  mutable absl::optional<Choice> chosen_;  // absent: candidates or snapshots have changed
};

// About evenly spaced moments of a plan, so many that all looks of the run, those at the source
// model and at the end included, cost about kShareOfRun of it; from two to kMostMoments.
std::vector<int64_t> Moments(const train::Plan& plan, const model::Model& model,
                             const Examiner& examiner);
constexpr double kShareOfRun = 0.06;
constexpr int64_t kMostMoments = 9;

// How many samples of a domain an examiner of the run should see: Examiner::kSamples, and fewer
// where the looks at the fewest moments would cost more than kMostShareOfRun of a short run, as one
// pass of test-time adaptation is; never under kLeastSamples.
int64_t SamplesOfLooks(const train::Plan& plan, const model::Model& model, size_t source_domains);
constexpr double kMostShareOfRun = 0.5;
constexpr int64_t kLeastSamples = 500;  // what is drawn adds less than 4 points to an interval

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_SELECTING_TASK_H_
