// Continual learning: a sequence of labelled tasks, learned one after the other without forgetting.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/elastic_penalty.h"
#include "core/methods/continual/accuracy_matrix.h"
#include "core/methods/continual/continual_memory.h"
#include "core/methods/continual/replay_memory.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/train/gradients.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kMemory[] = "memory";
constexpr char kMemoryFile[] = "memory.safetensors";
constexpr int64_t kMaxEvaluationSamples = 1000;  // of a task: its accuracy to 1.5 points
constexpr int64_t kFisherSamples = 500;          // of a task, for EWC's importances

constexpr char kReplayState[] = "replay/";
constexpr char kFisherState[] = "fisher/";
constexpr char kAnchorState[] = "anchor/";
constexpr char kPermutation[] = "permutation";
constexpr char kClosed[] = "closed";
constexpr char kAccuracy[] = "accuracy";

enum class Strategy { kNone, kReplay, kDarkReplay, kElastic };

Strategy StrategyNamed(const std::string& name) {
  if (name == "er") return Strategy::kReplay;
  if (name == "der++") return Strategy::kDarkReplay;
  if (name == "ewc") return Strategy::kElastic;
  return Strategy::kNone;
}

// A task of this run; those of earlier runs are in the memory.
struct LearnedTask {
  const data::Dataset* dataset;
  at::Tensor rows;           // int64: those to train on, in random order
  data::Dataset evaluation;  // the others: never trained on
  int64_t batches;           // of an epoch
  int64_t first_step;
};

// Where a step is.
struct Place {
  size_t task;
  int64_t epoch, batch;
};

class ContinualTask : public train::Task {
 public:
  // `past`: empty for a first run.
  ContinualTask(const MethodContext& context, ContinualMemory past)
      : model_(context.model),
        device_(context.device),
        strategy_name_(context.settings.Text("strategy")),
        strategy_(StrategyNamed(strategy_name_)),
        alpha_(context.settings.Real("alpha")),
        beta_(context.settings.Real("beta")),
        ewc_lambda_(context.settings.Real("ewc_lambda")),
        batch_size_(context.settings.Integer("batch_size")),
        replay_batch_size_(context.settings.Integer("replay_batch_size")),
        past_(std::move(past)),
        memory_(context.settings.Integer("memory_size"), context.model.num_classes()),
        fisher_(past_.fisher),
        anchor_(past_.anchor) {
    SetOptimization(context.settings, plan_);
    train::ParameterGroup group;
    for (const model::Parameter& parameter : model_.parameters()) {
      group.parameters.push_back({parameter.name, parameter.tensor});
    }
    plan_.groups = {std::move(group)};
    const double share = context.settings.Real("evaluation_share");
    const int64_t epochs = context.settings.Integer("epochs");
    for (const data::Dataset& source : context.sources) AddTask(source, share, epochs);
    AddTask(context.target, share, epochs);
    plan_.steps_per_epoch =
        std::max<int64_t>(1, plan_.total_steps / (epochs * static_cast<int64_t>(tasks_.size())));
    SetUpMemory();
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    const Place place = PlaceOf(input.step);
    if (absl::Status status = CloseTasks(place.task, stop); !status.ok()) return status;
    const LearnedTask& task = tasks_[place.task];
    if (place.batch == 0) permutation_ = at::randperm(task.rows.size(0), at::kLong);
    const int64_t begin = place.batch * batch_size_;
    const at::Tensor rows = task.rows.index_select(
        0, permutation_.slice(0, begin, std::min(begin + batch_size_, permutation_.size(0))));
    const bool offer = place.epoch == 0 && ReplaysMemory();  // every sample is offered once
    return Learn(task.dataset->Gather(rows, device_), offer ? rows : at::Tensor(), place.task);
  }

  absl::Status Finish(train::StopSignal& stop) override { return CloseTasks(tasks_.size(), stop); }

  train::TensorMap State() const override {
    train::TrainingState state;
    state.Add(kReplayState, memory_.State());
    state.Add(kFisherState, fisher_);
    state.Add(kAnchorState, anchor_);
    state.tensors[kPermutation] = permutation_;
    state.tensors[kAccuracy] = accuracy_;
    state.tensors[kClosed] = at::scalar_tensor(static_cast<int64_t>(closed_), at::kLong);
    return state.tensors;
  }

  absl::Status Restore(const train::TensorMap& tensors) override {
    const train::TrainingState state{tensors, {}};
    const absl::StatusOr<int64_t> closed = train::IntegerIn(tensors, kClosed);
    const auto accuracy = tensors.find(kAccuracy), permutation = tensors.find(kPermutation);
    if (!closed.ok() || *closed < 0 || *closed > static_cast<int64_t>(tasks_.size()) ||
        accuracy == tensors.end() || accuracy->second.sizes() != accuracy_.sizes() ||
        permutation == tensors.end()) {
      return absl::InvalidArgumentError("training state: not of these tasks");
    }
    closed_ = static_cast<size_t>(*closed);
    accuracy_.copy_(accuracy->second);
    permutation_ = permutation->second.clone();
    fisher_ = state.Part(kFisherState);
    anchor_ = state.Part(kAnchorState);
    return memory_.Restore(state.Part(kReplayState));
  }

  void Report(nlohmann::json& report) const override {
    nlohmann::json matrix = nlohmann::json::array();
    for (int64_t i = 0; i < accuracy_.size(0); ++i) {
      nlohmann::json row = nlohmann::json::array();
      for (int64_t j = 0; j <= i; ++j) row.push_back(accuracy_[i][j].item<double>());
      matrix.push_back(std::move(row));
    }
    report["continual"] = {{"strategy", strategy_name_},
                           {"accuracy_matrix", std::move(matrix)},
                           {"evaluation_samples", EvaluationSizes()},
                           {"memory",
                            {{"samples", memory_.size()},
                             {"capacity", memory_.capacity()},
                             {"seen", memory_.seen()}}}};
    report["continual"].update(Metrics());
  }

  std::map<std::string, double> Metrics() const override {
    return {{"average_accuracy", AverageAccuracy(accuracy_)},
            {"forgetting", Forgetting(accuracy_)},
            {"backward_transfer", BackwardTransfer(accuracy_)}};
  }

  std::vector<std::string> Warnings() const override {
    if (memory_.capacity() == wanted_capacity_) return {};
    return {absl::StrCat("memory_size: stays at ", memory_.capacity(),
                         ", the size of the memory that was given; dropped samples cannot be "
                         "called back")};
  }

  std::map<std::string, train::TensorMap> Files() const override {
    return {
        {kMemoryFile, ToTensors(memory_.Contents(), Evaluations(), accuracy_, fisher_, anchor_)}};
  }

 private:
  void AddTask(const data::Dataset& dataset, double share, int64_t epochs) {
    const int64_t size = dataset.size();
    const int64_t wanted = std::lround(share * static_cast<double>(size));
    const int64_t held_out = std::clamp<int64_t>(std::min(wanted, kMaxEvaluationSamples), 1,
                                                 std::max<int64_t>(size - 1, 1));
    const at::Tensor order = at::randperm(size, at::kLong);
    const at::Tensor rows = order.slice(0, held_out % size);
    const int64_t batches = BatchesPerEpoch(rows.size(0), batch_size_);
    tasks_.push_back(
        {&dataset, rows, dataset.Select(order.slice(0, 0, held_out)), batches, plan_.total_steps});
    plan_.total_steps += batches * epochs;
  }

  void SetUpMemory() {
    wanted_capacity_ = memory_.capacity();
    const int64_t past_tasks = static_cast<int64_t>(past_.evaluation.size());
    const int64_t all_tasks = past_tasks + static_cast<int64_t>(tasks_.size());
    accuracy_ = at::full({all_tasks, all_tasks}, std::nan(""), at::kDouble);
    if (past_tasks > 0) {
      accuracy_.slice(0, 0, past_tasks).slice(1, 0, past_tasks).copy_(past_.accuracy);
    }
    for (const LearnedTask& task : tasks_) memory_.AddDataset(*task.dataset);
    if (past_.replay) {
      memory_.Continue(memory_.AddDataset(*past_.replay), past_.replay_logits, past_.seen);
    }
  }

  bool ReplaysMemory() const {
    return strategy_ == Strategy::kReplay || strategy_ == Strategy::kDarkReplay;
  }

  Place PlaceOf(int64_t step) const {
    size_t task = tasks_.size() - 1;
    while (step < tasks_[task].first_step) --task;
    const int64_t within = step - tasks_[task].first_step;
    return {task, within / tasks_[task].batches, within % tasks_[task].batches};
  }

  // CE + replay terms + penalty; `offered` are the rows to remember, undefined when none are.
  train::StepOutput Learn(const data::Batch& batch, const at::Tensor& offered, size_t task) {
    const bool replays = ReplaysMemory() && memory_.size() > 0;
    const int64_t count = batch.inputs.size(0);
    ReplayMemory::Sample dark, plain;
    std::vector<at::Tensor> inputs = {batch.inputs};
    if (replays && strategy_ == Strategy::kDarkReplay) {
      dark = memory_.Draw(replay_batch_size_, device_);
      inputs.push_back(dark.batch.inputs);
    }
    if (replays) {
      plain = memory_.Draw(replay_batch_size_, device_);
      inputs.push_back(plain.batch.inputs);
    }
    // One forward pass: batch norm sees new and old samples together.
    const at::Tensor logits = model_.Forward(at::cat(inputs), model::Mode::kTraining).logits;
    const at::Tensor own = logits.slice(0, 0, count);
    train::StepOutput output;
    output.parts["task"] = losses::CrossEntropy(own, batch.labels);
    output.loss = output.parts["task"];
    int64_t begin = count;
    if (dark.logits.defined()) {
      const int64_t end = begin + dark.logits.size(0);
      output.parts["logits"] = at::mse_loss(logits.slice(0, begin, end), dark.logits);
      output.loss = output.loss + alpha_ * output.parts["logits"];
      begin = end;
    }
    if (replays) {
      output.parts["replay"] = losses::CrossEntropy(logits.slice(0, begin), plain.batch.labels);
      output.loss = output.loss + beta_ * output.parts["replay"];
    }
    if (strategy_ == Strategy::kElastic && !fisher_.empty()) {
      output.parts["elastic"] = losses::ElasticPenalty(Parameters(), anchor_, fisher_);
      output.loss = output.loss + ewc_lambda_ * output.parts["elastic"];
    }
    if (offered.defined()) memory_.Offer(static_cast<int64_t>(task), offered, own);
    output.values["task"] = static_cast<double>(past_.evaluation.size() + task);
    output.samples = logits.size(0);
    return output;
  }

  // Tasks before `until` that are learned: measures and, for EWC, importances. Either all of a
  // task's or, when stopped, nothing.
  absl::Status CloseTasks(size_t until, train::StopSignal& stop) {
    while (closed_ < until) {
      const size_t row = past_.evaluation.size() + closed_;
      const std::vector<const data::Dataset*> evaluations = Evaluations();
      at::Tensor accuracies = at::empty({static_cast<int64_t>(row) + 1}, at::kDouble);
      for (size_t task = 0; task <= row; ++task) {
        absl::StatusOr<at::Tensor> confusion =
            train::ConfusionMatrix(model_, *evaluations[task], device_, stop);
        if (!confusion.ok()) return confusion.status();
        accuracies[static_cast<int64_t>(task)] = train::Accuracy(*confusion);
      }
      if (strategy_ == Strategy::kElastic) {
        if (absl::Status status = AddImportances(tasks_[closed_], stop); !status.ok()) {
          return status;
        }
      }
      accuracy_[static_cast<int64_t>(row)].slice(0, 0, accuracies.size(0)).copy_(accuracies);
      ++closed_;
    }
    return absl::OkStatus();
  }

  // F += mean_i (d CE(x_i, y_i) / d theta)^2, sample by sample; the anchor becomes theta.
  absl::Status AddImportances(const LearnedTask& task, train::StopSignal& stop) {
    const train::TensorMap parameters = Parameters();
    std::vector<at::Tensor> tensors, squares;
    for (const auto& [name, tensor] : parameters) {
      tensors.push_back(tensor);
      squares.push_back(at::zeros_like(tensor));
    }
    const int64_t samples = std::min(kFisherSamples, task.rows.size(0));
    for (int64_t i = 0; i < samples; ++i) {
      if (absl::Status status = stop.Check(); !status.ok()) return status;
      const data::Batch sample = task.dataset->Gather(task.rows.slice(0, i, i + 1), device_);
      const at::Tensor logits = model_.Forward(sample.inputs, model::Mode::kEvaluation).logits;
      const std::vector<at::Tensor> gradients =
          train::Gradients(losses::CrossEntropy(logits, sample.labels), tensors);
      for (size_t p = 0; p < tensors.size(); ++p) {
        if (gradients[p].defined()) {
          squares[p].addcmul_(gradients[p], gradients[p], 1.0 / static_cast<double>(samples));
        }
      }
    }
    size_t p = 0;
    for (const auto& [name, tensor] : parameters) {
      at::Tensor& importance = fisher_[name];
      importance = importance.defined() ? importance + squares[p] : squares[p];
      anchor_[name] = tensor.detach().clone();
      ++p;
    }
    return absl::OkStatus();
  }

  train::TensorMap Parameters() const {
    train::TensorMap parameters;
    for (const train::NamedParameter& parameter : plan_.groups[0].parameters) {
      parameters[parameter.name] = parameter.tensor;
    }
    return parameters;
  }

  // The held-out parts of all tasks, earlier runs' first.
  std::vector<const data::Dataset*> Evaluations() const {
    std::vector<const data::Dataset*> all;
    for (const data::Dataset& part : past_.evaluation) all.push_back(&part);
    for (const LearnedTask& task : tasks_) all.push_back(&task.evaluation);
    return all;
  }

  std::vector<int64_t> EvaluationSizes() const {
    std::vector<int64_t> sizes;
    for (const data::Dataset* part : Evaluations()) sizes.push_back(part->size());
    return sizes;
  }

  model::Model& model_;
  const at::Device device_;
  const std::string strategy_name_;
  const Strategy strategy_;
  const double alpha_, beta_, ewc_lambda_;
  const int64_t batch_size_, replay_batch_size_;
  const ContinualMemory past_;
  train::Plan plan_;
  std::vector<LearnedTask> tasks_;
  int64_t wanted_capacity_ = 0;

  ReplayMemory memory_;
  at::Tensor permutation_ = at::empty({0}, at::kLong);  // of the current task's rows
  at::Tensor accuracy_;               // double [T, T]: every task, those of earlier runs first
  size_t closed_ = 0;                 // tasks of this run that were measured after learning
  train::TensorMap fisher_, anchor_;  // of EWC, by parameter; empty before the first task's end
};

// Importances must be of this model's parameters.
absl::Status CheckImportances(const ContinualMemory& past, const model::Model& model) {
  if (past.fisher.empty() && past.anchor.empty()) return absl::OkStatus();
  for (const model::Parameter& parameter : model.parameters()) {
    for (const train::TensorMap* part : {&past.fisher, &past.anchor}) {
      const auto found = part->find(parameter.name);
      if (found == part->end() || found->second.sizes() != parameter.tensor.sizes()) {
        return absl::InvalidArgumentError(absl::StrCat("of another model: ", parameter.name));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeContinual(const MethodContext& context) {
  ContinualMemory past;
  const auto given = context.inputs.files.find(kMemory);
  if (given != context.inputs.files.end()) {
    absl::StatusOr<ContinualMemory> read =
        ReadContinualMemory(given->second, context.target, context.model.num_classes());
    absl::Status status = read.status();
    if (status.ok()) status = CheckImportances(*read, context.model);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("inputs[\"", kMemory, "\"]: ", status.message()));
    }
    past = *std::move(read);
    for (train::TensorMap* part : {&past.fisher, &past.anchor}) {
      for (auto& [name, tensor] : *part) tensor = tensor.to(context.device);
    }
  }
  return std::make_unique<ContinualTask>(context, std::move(past));
}

}  // namespace

MethodEntry Continual() {
  MethodSpec spec;
  spec.name = "continual";
  spec.title = "Continual learning with replay or elastic weights";
  spec.summary =
      "Learns a sequence of labelled tasks, the sources in order and then the target, and holds on "
      "to the earlier ones: by replaying a bounded memory (er, der++) or by pulling weights that "
      "mattered back (ewc). The memory is a file that the next job takes on.";
  spec.reference =
      "Buzzega et al., Dark Experience for General Continual Learning, NeurIPS (2020); Vitter, ACM "
      "TOMS 11 (1985); Kirkpatrick et al., PNAS 114 (2017)";
  spec.formula =
      "CE(h(x), y) + alpha MSE(h(x'), z') + beta CE(h(x''), y''): der++, two draws from memory, z' "
      "the logits at insertion; er: alpha = 0; ewc: CE + lambda/2 sum F (theta - theta*)^2";
  spec.checkpoint = DataNeed::kOptional;
  spec.source = DataNeed::kOptional;
  spec.target_labels = DataNeed::kRequired;
  spec.inputs = {{kMemory, InputSpec::Kind::kFile, DataNeed::kOptional,
                  "memory.safetensors of the job that made the checkpoint"}};
  OptimizationDefaults optimization;  // those of Buzzega et al. for MNIST
  optimization.learning_rate = 0.03;
  optimization.weight_decay = 0;
  optimization.schedule = "constant";
  optimization.batch_size = 10;
  std::vector<HyperparameterSpec> shared = OptimizationSettings(optimization);
  for (HyperparameterSpec& setting : shared) {
    if (setting.name == "momentum") setting.default_value = 0.0;
  }
  spec.hyperparameters = Concatenated(
      std::move(shared),
      {ChoiceSetting("strategy",
                     "What keeps earlier tasks: replay (er), replay of labels and logits (der++), "
                     "elastic weights (ewc), or none",
                     "der++", {"er", "der++", "ewc", "none"}),
       IntegerSetting("epochs", "Passes over each task", 1, 1, 100000),
       IntegerSetting("memory_size", "Samples that are kept", 500, 1, 10000000),
       IntegerSetting("replay_batch_size", "Samples of a draw from memory", 10, 2, 65536),
       RealSetting("alpha", "der++: weight of the logits at insertion", 0.5, 0.0, 1000.0),
       RealSetting("beta", "er, der++: weight of the replayed labels", 1.0, 0.0, 1000.0),
       RealSetting("ewc_lambda", "ewc: weight of the penalty", 100.0, 0.0, 1e9),
       RealSetting("evaluation_share",
                   "Share of each task, at most 1000 samples, that is held out to measure it", 0.1,
                   0.001, 0.9)});
  return {spec, &MakeContinual};
}

}  // namespace acclimate::methods
