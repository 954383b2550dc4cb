#include "core/selection/examiner.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/train/pass.h"

namespace acclimate::selection {
namespace {

constexpr double kLargerPart = 0.55;  // of a mixture, as its authors have it
constexpr int64_t kSamplesPerMixture = 4;
constexpr int64_t kPairsPerMixture = 8;  // drawn, of which those of two classes are mixed

// int64 [2, count] with values in [0, samples).
at::Tensor Pairs(int64_t samples, int64_t count, uint64_t seed) {
  return at::randint(samples, {2, count}, at::detail::createCPUGenerator(seed),
                     at::TensorOptions(at::kLong));
}

}  // namespace

Examiner::Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
                   const at::Device& device, uint64_t seed, int64_t samples,
                   const GuardLabels* guard_labels)
    : rows_(SampleRows(target.size(), samples, seed)),
      target_(target.Subset(rows_, /*labels=*/false)),
      held_out_(SampleEach(held_out, samples, seed)),
      device_(device),
      pairs_(Pairs(target_.size(), target_.size() / kSamplesPerMixture * kPairsPerMixture, seed)) {
  if (guard_labels != nullptr) guard_labels_ = *guard_labels;
}

absl::StatusOr<Sight> Examiner::See(model::Model& model, train::StopSignal& stop) const {
  absl::StatusOr<Predictions> target = Predict(model, target_, device_, stop);
  if (!target.ok()) return target.status();
  Sight sight{*std::move(target), absl::nullopt, absl::nullopt};
  absl::StatusOr<absl::optional<Mixtures>> mixtures =
      SeeMixtures(model, sight.target.logits.argmax(1), stop);
  if (!mixtures.ok()) return mixtures.status();
  sight.mixtures = *std::move(mixtures);
  if (guard_labels_) {
    absl::StatusOr<at::Tensor> right = SeeLabelled(model, stop);
    if (!right.ok()) return right.status();
    sight.right = *std::move(right);
  }
  if (held_out_.empty()) return sight;
  std::vector<at::Tensor> features, logits, labels;
  for (const data::Dataset& held_out : held_out_) {
    absl::StatusOr<Predictions> source = Predict(model, held_out, device_, stop);
    if (!source.ok()) return source.status();
    features.push_back(source->features);
    logits.push_back(source->logits);
    labels.push_back(source->labels);
  }
  sight.held_out = Predictions{at::cat(features), at::cat(logits), at::cat(labels)};
  return sight;
}

absl::StatusOr<absl::optional<Mixtures>> Examiner::SeeMixtures(model::Model& model,
                                                               const at::Tensor& predicted,
                                                               train::StopSignal& stop) const {
  const at::Tensor classes = predicted.index_select(0, pairs_.flatten()).view(pairs_.sizes());
  const at::Tensor differ = classes[0]
                                .ne(classes[1])
                                .nonzero()
                                .flatten()
                                .slice(0, 0, target_.size() / kSamplesPerMixture);
  if (differ.numel() == 0) return absl::optional<Mixtures>();
  const int64_t batch = train::PassBatchSize(target_.sample_shape());
  std::vector<at::Tensor> logits;
  const at::NoGradGuard no_grad;
  for (const at::Tensor& some : differ.split(batch)) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const at::Tensor pairs = pairs_.index_select(1, some);
    const at::Tensor larger = target_.Gather(pairs[0], device_).inputs,
                     smaller = target_.Gather(pairs[1], device_).inputs;
    const at::Tensor mixed = larger * kLargerPart + smaller * (1 - kLargerPart);
    logits.push_back(
        model.Forward(mixed, model::Mode::kEvaluation).logits.to(at::kCPU, at::kFloat));
  }
  return absl::optional<Mixtures>({at::cat(logits), classes[0].index_select(0, differ)});
}

absl::StatusOr<at::Tensor> Examiner::SeeLabelled(model::Model& model,
                                                 train::StopSignal& stop) const {
  const absl::StatusOr<Predictions> seen = Predict(model, guard_labels_->samples, device_, stop);
  if (!seen.ok()) return seen.status();
  return seen->logits.argmax(1).eq(guard_labels_->labels);
}

absl::StatusOr<Candidate> Examiner::Examine(model::Model& model,
                                            const absl::optional<SourceRecord>& record, Form form,
                                            train::StopSignal& stop) const {
  const absl::StatusOr<Sight> sight = See(model, stop);
  if (!sight.ok()) return sight.status();
  return Score(*sight, record, form);
}

absl::StatusOr<Candidate> Examiner::ExamineAhead(train::Task& task, model::Model& model,
                                                 const absl::optional<SourceRecord>& record,
                                                 train::StopSignal& stop) const {
  if (absl::Status status = task.Preview(target_, stop); !status.ok()) return status;
  return Examine(task.own_model() ? *task.own_model() : model, record, Form::kAdapted, stop);
}

int64_t Examiner::samples() const {
  int64_t samples = target_.size() + target_.size() / kSamplesPerMixture + guard_labels();
  for (const data::Dataset& held_out : held_out_) samples += held_out.size();
  return samples;
}

}  // namespace acclimate::selection
