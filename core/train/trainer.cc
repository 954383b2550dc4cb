#include "core/train/trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/runtime/random.h"

namespace acclimate::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostGatheredSteps = 64;  // on an accelerator
constexpr char kLoss[] = "loss";
constexpr char kModel[] = "model/";
constexpr char kOptimizer[] = "optimizer/";
constexpr char kTask[] = "task/";
constexpr char kLossScale[] = "loss_scale/";
constexpr char kCurves[] = "curves/";
constexpr char kGenerators[] = "generators/";
constexpr char kStep[] = "loop/step";
constexpr char kSamples[] = "loop/samples";
constexpr char kEpochBegun[] = "loop/epoch_begun";

double SecondsBetween(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// Streams of one run must not share an order: golden-ratio steps keep their seeds apart.
uint64_t StreamSeed(uint64_t seed, uint64_t stream) {
  return seed + 0x9E3779B97F4A7C15ULL * (stream + 1);
}

data::Batch Concatenate(std::vector<data::Batch> batches) {
  if (batches.size() == 1) return std::move(batches.front());
  std::vector<at::Tensor> inputs, labels;
  for (data::Batch& batch : batches) {
    inputs.push_back(std::move(batch.inputs));
    labels.push_back(std::move(batch.labels));
  }
  return {at::cat(inputs), at::cat(labels)};
}

}  // namespace

Trainer::Trainer(Task& task, model::Model& model, const std::vector<data::Dataset>& sources,
                 const data::Dataset& target, const TrainerOptions& options, TrainerHooks hooks)
    : task_(task),
      model_(model),
      target_(target),
      options_(options),
      hooks_(std::move(hooks)),
      limits_(LimitsFor(task.own_model() != nullptr ? *task.own_model() : model, task.plan())),
      stream_(options.device),
      graphs_(options.device),
      progress_(at::zeros({}, at::TensorOptions(at::kDouble).device(options.device))),
      curves_(task.plan().total_steps) {
  const Plan& plan = task.plan();
  if (plan.target_batch_size > 0) {
    target_stream_ = std::make_unique<Stream>(
        Stream{data::Loader(target, options.device),
               data::Sampler(target.size(), plan.target_batch_size, StreamSeed(options.seed, 0)),
               "target_sampler/"});
  }
  if (plan.source_batch_size > 0) {
    const int64_t count = static_cast<int64_t>(sources.size());
    const int64_t share = (plan.source_batch_size + count - 1) / count;
    for (int64_t i = 0; i < count; ++i) {
      sources_.push_back({data::Loader(sources[i], options.device),
                          data::Sampler(sources[i].size(), share, StreamSeed(options.seed, 1 + i)),
                          absl::StrCat("source_sampler_", i, "/")});
    }
  }
  for (const model::Parameter& parameter : model.parameters()) {
    required_gradients_.push_back(parameter.tensor.requires_grad());
    if (parameter.tensor.requires_grad()) parameter.tensor.requires_grad_(false);
  }
  for (const ParameterGroup& group : plan.groups) {
    for (const NamedParameter& parameter : group.parameters) parameter.tensor.requires_grad_(true);
  }
  if (!plan.groups.empty()) optimizer_ = MakeOptimizer(plan.optimizer, plan.groups);
  if (model.precision() == at::kHalf) loss_scale_ = std::make_unique<LossScale>(options.device);
}

Trainer::~Trainer() {
  if (optimizer_ != nullptr) optimizer_->ZeroGradients();
  for (size_t i = 0; i < required_gradients_.size(); ++i) {
    const at::Tensor& parameter = model_.parameters()[i].tensor;
    if (parameter.requires_grad() != required_gradients_[i]) {
      parameter.requires_grad_(required_gradients_[i]);
    }
  }
}

absl::Status Trainer::Run(StopSignal& stop) {
  absl::Status status = RunTo(task_.plan().total_steps, stop);
  return status.ok() ? task_.Finish(stop) : status;
}

absl::Status Trainer::RunTo(int64_t step, StopSignal& stop) {
  const runtime::WorkStream::Scope scope(stream_);
  last_report_ = Clock::now();
  last_reported_step_ = step_;
  absl::Status status;
  try {
    status = RunSteps(step, stop);
  } catch (const c10::Error&) {
    // What came of a loss that is no number is not the reason.
    if (absl::Status gathered = TakeMetrics(); !gathered.ok()) return gathered;
    throw;
  }
  absl::Status gathered = TakeMetrics();
  return gathered.ok() ? status : gathered;
}

absl::Status Trainer::RunSteps(int64_t step, StopSignal& stop) {
  const Plan& plan = task_.plan();
  while (step_ < std::min(step, plan.total_steps)) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    if (absl::Status status = task_.BeforeStep(step_, stop); !status.ok()) return status;
    if (!epoch_begun_) {
      absl::Status status = task_.BeginEpoch(step_ / plan.steps_per_epoch, stop);
      if (!status.ok()) return status;
      epoch_begun_ = true;
    }
    if (absl::Status status = RunStep(stop); !status.ok()) return status;
    epoch_begun_ = step_ % plan.steps_per_epoch != 0;
    if (StateIsDue()) {
      if (absl::Status status = TakeMetrics(); !status.ok()) return status;
      const Clock::time_point begin = Clock::now();
      if (absl::Status status = hooks_.on_state(step_); !status.ok()) return status;
      last_state_ = Clock::now();
      state_seconds_ = SecondsBetween(begin, last_state_);
    }
  }
  return absl::OkStatus();
}

bool Trainer::StateIsDue() const {
  constexpr double kMostShare = 0.02;  // of the time
  if (options_.state_every_steps > 0 && step_ % options_.state_every_steps == 0 &&
      step_ < task_.plan().total_steps) {
    return true;
  }
  return options_.state_every_seconds > 0 &&
         SecondsBetween(last_state_, Clock::now()) >=
             std::max(options_.state_every_seconds, state_seconds_ / kMostShare);
}

absl::Status Trainer::RunStep(StopSignal& stop) {
  const Plan& plan = task_.plan();
  const double factor = ScheduleFactor(plan.schedule, step_, plan.total_steps) *
                        WarmUpFactor(step_, limits_.warm_up_steps);
  if (optimizer_ != nullptr) optimizer_->SetRate(factor);
  progress_.fill_(static_cast<double>(step_) / static_cast<double>(plan.total_steps));
  const StepDraw draw = Draw();
  absl::StatusOr<StepResult> result =
      graphs_.Run(options_.replay_steps ? task_.KindOf(step_) : Task::kNoKind, draw,
                  [this, &stop](const StepDraw& drawn) { return Call(drawn, stop); });
  if (!result.ok()) return result.status();
  if (result->updated) result->known["learning_rate"] = plan.optimizer.learning_rate * factor;
  ++step_;
  task_.AfterStep(step_);
  samples_ += result->samples;
  if (draw.input.source.inputs.defined()) samples_ += draw.input.source.inputs.size(0);
  if (draw.input.target.inputs.defined()) samples_ += draw.input.target.inputs.size(0);
  metrics_.Add(step_, std::move(result->metrics), std::move(result->known));
  const bool wait = options_.device.is_cpu() || metrics_.size() >= kMostGatheredSteps;
  return wait || ReportIsDue() ? TakeMetrics() : absl::OkStatus();
}

StepDraw Trainer::Draw() {
  StepDraw draw;
  StepInput& input = draw.input;
  input.step = step_;
  input.progress = progress_;
  std::vector<data::Batch> batches;
  for (Stream& stream : sources_) {
    batches.push_back(stream.loader.Gather(stream.sampler.Next()));
    input.source_counts.push_back(batches.back().inputs.size(0));
  }
  if (!batches.empty()) input.source = Concatenate(std::move(batches));
  if (target_stream_ != nullptr) {
    input.target_index = target_stream_->sampler.Next();
    input.target = target_stream_->loader.Gather(input.target_index);
    draw.unseen_labels = input.target.labels;
    if (!task_.plan().target_labels) input.target.labels = at::Tensor();
  }
  if (const View& view = task_.plan().view) {
    if (input.source.inputs.defined()) input.source.inputs = view(input.source.inputs);
    if (input.target.inputs.defined()) input.target.inputs = view(input.target.inputs);
  }
  return draw;
}

absl::StatusOr<StepResult> Trainer::Call(const StepDraw& draw, StopSignal& stop) {
  absl::StatusOr<StepOutput> output = task_.Step(draw.input, stop);
  if (!output.ok()) return output.status();
  StepResult result;
  result.known = std::move(output->values);
  result.samples = output->samples;
  std::map<std::string, at::Tensor> scalars = std::move(output->measures);
  for (const auto& [name, part] : output->parts) scalars[absl::StrCat("loss/", name)] = part;
  if (output->target_logits.defined() && draw.unseen_labels.defined()) {
    // Only ever reported: the task has not seen these labels.
    scalars["online_accuracy"] =
        output->target_logits.argmax(1).eq(draw.unseen_labels).to(at::kDouble).mean();
  }
  if (output->restart_optimizer && optimizer_ != nullptr) optimizer_->Restart();
  if (output->loss.defined()) {
    scalars[kLoss] = output->loss;
    Descend(output->loss);
    result.updated = true;
  }
  result.metrics = PackMetrics(scalars);
  return result;
}

void Trainer::Descend(const at::Tensor& loss) {
  optimizer_->ZeroGradients();
  if (loss_scale_ == nullptr) {
    loss.backward();
    LimitGradients();
    optimizer_->Step();
    return;
  }
  loss_scale_->Scaled(loss).backward();
  const at::Tensor not_finite = loss_scale_->Unscale(optimizer_->Gradients());
  LimitGradients();
  optimizer_->Step(not_finite);
  loss_scale_->Follow(not_finite);
}

void Trainer::LimitGradients() {
  if (limits_.any()) LimitNorm(optimizer_->Gradients(), limits_.gradient_norm);
}

absl::Status Trainer::TakeMetrics() {
  const bool due = ReportIsDue();
  std::vector<StepMetrics::Step> steps = metrics_.Take();
  for (const StepMetrics::Step& step : steps) {
    const auto loss = step.values.find(kLoss);
    if (loss != step.values.end() && !std::isfinite(loss->second)) {
      return absl::InvalidArgumentError(
          absl::StrCat("hyperparameters.learning_rate: training diverged, the loss at step ",
                       step.step, " is ", loss->second));
    }
    curves_.Add(step.step, step.values);
  }
  if (due && !steps.empty()) Report(steps.back().values);
  return absl::OkStatus();
}

bool Trainer::ReportIsDue() const {
  return step_ == 1 || step_ == task_.plan().total_steps ||
         SecondsBetween(last_report_, Clock::now()) >= options_.report_seconds;
}

void Trainer::Report(const std::map<std::string, double>& values) {
  const Plan& plan = task_.plan();
  const Clock::time_point now = Clock::now();
  const double elapsed = SecondsBetween(last_report_, now);
  Progress progress;
  progress.step = step_;
  progress.total_steps = plan.total_steps;
  progress.epoch = step_ / plan.steps_per_epoch;
  progress.total_epochs = (plan.total_steps + plan.steps_per_epoch - 1) / plan.steps_per_epoch;
  progress.samples = samples_;
  progress.step_seconds = elapsed / static_cast<double>(step_ - last_reported_step_);
  last_report_ = now;
  last_reported_step_ = step_;
  if (hooks_.on_metrics) hooks_.on_metrics(progress, values);
}

TrainingState Trainer::State() const {
  TrainingState state;
  state.Add(kModel, model_.StateDict());
  if (optimizer_ != nullptr) state.Add(kOptimizer, optimizer_->State());
  if (loss_scale_ != nullptr) state.Add(kLossScale, loss_scale_->State());
  state.Add(kTask, task_.State());
  state.Add(kCurves, curves_.State());
  state.Add(kGenerators, runtime::GeneratorStates(options_.device));
  for (const Stream& stream : sources_) state.Add(stream.state_prefix, stream.sampler.State());
  if (target_stream_ != nullptr) {
    state.Add(target_stream_->state_prefix, target_stream_->sampler.State());
  }
  state.tensors[kStep] = at::scalar_tensor(step_, at::kLong);
  state.tensors[kSamples] = at::scalar_tensor(samples_, at::kLong);
  state.tensors[kEpochBegun] = at::scalar_tensor(epoch_begun_ ? 1 : 0, at::kLong);
  return state;
}

absl::Status Trainer::Restore(const TrainingState& state) {
  absl::Status status = model_.LoadStateDict(state.Part(kModel));
  if (optimizer_ != nullptr) status.Update(optimizer_->Restore(state.Part(kOptimizer)));
  if (loss_scale_ != nullptr) status.Update(loss_scale_->Restore(state.Part(kLossScale)));
  status.Update(task_.Restore(state.Part(kTask)));
  status.Update(curves_.Restore(state.Part(kCurves)));
  status.Update(runtime::RestoreGenerators(state.Part(kGenerators), options_.device));
  for (Stream& stream : sources_) {
    status.Update(stream.sampler.Restore(state.Part(stream.state_prefix)));
  }
  if (target_stream_ != nullptr) {
    status.Update(target_stream_->sampler.Restore(state.Part(target_stream_->state_prefix)));
  }
  const absl::StatusOr<int64_t> step = IntegerIn(state.tensors, kStep);
  const absl::StatusOr<int64_t> samples = IntegerIn(state.tensors, kSamples);
  const absl::StatusOr<int64_t> epoch_begun = IntegerIn(state.tensors, kEpochBegun);
  status.Update(step.status());
  status.Update(samples.status());
  status.Update(epoch_begun.status());
  if (!status.ok()) return status;
  step_ = *step;
  samples_ = *samples;
  epoch_begun_ = *epoch_begun != 0;
  return absl::OkStatus();
}

}  // namespace acclimate::train
