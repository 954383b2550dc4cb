#include "core/methods/domain_passes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/losses/entropy.h"
#include "core/shift/domain_classifier.h"
#include "core/shift/standardization.h"

namespace acclimate::methods {
namespace {

constexpr char kSeed[] = "seed";
constexpr int64_t kOverlapDraws = 2000;  // p-values down to 1 / 2001

// Streams of random numbers.
enum PassStream : uint64_t {
  kTargetRows,
  kLabelledRows,
  kReducer,
  kOverlap,
  kLabelledOverlap,
  kConfidence
};
constexpr uint64_t kSourceRows = 1000;

absl::Status TooFew(const std::string& field, int64_t size) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": has ", size, " samples; at least ",
                                                 kFewestDomainSamples, " are needed to compare"));
}

absl::Status CheckLabelled(const MethodContext& context, const std::string& name) {
  const auto it = context.inputs.datasets.find(name);
  if (it == context.inputs.datasets.end()) return absl::OkStatus();
  const data::Dataset& dataset = it->second;
  const std::string field = absl::StrCat("inputs[\"", name, "\"]: ");
  if (dataset.sample_shape() != context.target.sample_shape()) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, "samples have shape [", absl::StrJoin(dataset.sample_shape(), ", "),
        "], those of the target [", absl::StrJoin(context.target.sample_shape(), ", "), "]"));
  }
  if (dataset.num_classes() > context.model.num_classes()) {
    return absl::InvalidArgumentError(absl::StrCat(field, "has a label ", dataset.num_classes() - 1,
                                                   ", the model has ", context.model.num_classes(),
                                                   " classes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDomains(const MethodContext& context, const std::string& labelled_input) {
  if (context.target.size() < kFewestDomainSamples) return TooFew("target", context.target.size());
  for (size_t i = 0; i < context.sources.size(); ++i) {
    const int64_t size = context.sources[i].size();
    if (size < kFewestDomainSamples) return TooFew(absl::StrCat("sources[", i, "]"), size);
  }
  return CheckLabelled(context, labelled_input);
}

DomainPasses::DomainPasses(const MethodContext& context, std::string labelled_input,
                           size_t most_levels, int64_t source_samples, int64_t target_samples)
    : model_(context.model),
      source_datasets_(context.sources),
      target_dataset_(context.target),
      inputs_(context.inputs),
      device_(context.device),
      labelled_input_(std::move(labelled_input)),
      labelled_input_given_(inputs_.datasets.count(labelled_input_) > 0),
      places_(shift::ChoosePlaces(context.model, most_levels)),
      source_samples_(source_samples),
      target_samples_(target_samples),
      seed_(at::randint(std::numeric_limits<int32_t>::max(), {1}, at::kLong).item<int64_t>()) {}

at::Generator DomainPasses::GeneratorFor(uint64_t stream) const {
  // Seeds of neighbours must not give neighbouring numbers: golden-ratio steps.
  return at::detail::createCPUGenerator(static_cast<uint64_t>(seed_) +
                                        0x9E3779B97F4A7C15ULL * (stream + 1));
}

const data::Dataset* DomainPasses::labelled_dataset() const {
  const auto it = inputs_.datasets.find(labelled_input_);
  return it == inputs_.datasets.end() ? nullptr : &it->second;
}

at::Tensor DomainPasses::Rows(const data::Dataset& dataset, int64_t most, uint64_t stream) const {
  return shift::RandomRows(dataset.size(), most, GeneratorFor(stream));
}

absl::Status DomainPasses::Sample(const data::Dataset& dataset, const at::Tensor& rows,
                                  shift::Reducer& reducer, train::StopSignal& stop,
                                  shift::DomainSample& sample) {
  absl::StatusOr<shift::DomainSample> sampled =
      shift::SampleDomain(model_, dataset, rows, places_, reducer, device_, stop);
  if (!sampled.ok()) return sampled.status();
  sample = *std::move(sampled);
  return absl::OkStatus();
}

absl::Status DomainPasses::Run(train::StopSignal& stop) {
  if (done_) return absl::OkStatus();
  shift::Reducer reducer(static_cast<uint64_t>(seed_) + kReducer);
  target_rows_ = Rows(target_dataset_, target_samples_, kTargetRows);
  absl::Status status = Sample(target_dataset_, target_rows_, reducer, stop, target_);
  if (!status.ok()) return status;
  if (const data::Dataset* labelled = labelled_dataset(); labelled != nullptr) {
    const at::Tensor rows = Rows(*labelled, target_samples_, kLabelledRows);
    if (status = Sample(*labelled, rows, reducer, stop, labelled_); !status.ok()) return status;
  }
  source_.clear();
  const int64_t count = static_cast<int64_t>(source_datasets_.size());
  for (int64_t i = 0; i < count; ++i) {
    const data::Dataset& dataset = source_datasets_[i];
    const at::Tensor rows = Rows(dataset, (source_samples_ + count - 1) / count, kSourceRows + i);
    shift::DomainSample sample;
    if (status = Sample(dataset, rows, reducer, stop, sample); !status.ok()) return status;
    source_.push_back(std::move(sample));
  }
  if (count > 0) all_sources_ = shift::Concatenated(source_);
  done_ = true;
  return absl::OkStatus();
}

at::Tensor DomainPasses::AlignedTargetLogits() const {
  const at::NoGradGuard no_grad;
  const at::Tensor aligned = shift::AlignedMoments(all_sources_.features, target_.features);
  return model_.ClassifyFeatures(aligned.to(device_)).to(at::kCPU);
}

shift::LabelEvidence DomainPasses::JudgeLabels(const shift::Calibration& calibration) const {
  const size_t features = places_.features();
  const shift::DomainClassification domains =
      shift::ClassifyDomains(all_sources_.levels[features], target_.levels[features],
                             GeneratorFor(kOverlap), labelled_.levels[features]);
  return shift::WeighLabels(labelled_.logits, labelled_.labels,
                            shift::TargetWeights(domains.more_log_odds), calibration, kOverlapDraws,
                            GeneratorFor(kLabelledOverlap));
}

shift::ConfidenceTest DomainPasses::JudgeConfidence() const {
  const at::Tensor& source = all_sources_.levels[places_.features()];
  const at::Tensor aligned = shift::AlignedMoments(source, target_.levels[places_.features()]);
  const shift::OverlapWeights weights =
      shift::WeighOverlap(shift::ClassifyDomains(source, aligned, GeneratorFor(kConfidence)));
  return shift::TestConfidence(losses::Entropy(all_sources_.logits),
                               losses::Entropy(AlignedTargetLogits()), weights);
}

train::TensorMap DomainPasses::State() const {
  return {{kSeed, at::scalar_tensor(seed_, at::kLong)}};
}

absl::Status DomainPasses::Restore(const train::TensorMap& state) {
  const absl::StatusOr<int64_t> seed = train::IntegerIn(state, kSeed);
  if (!seed.ok()) return seed.status();
  seed_ = *seed;
  done_ = false;
  return absl::OkStatus();
}

}  // namespace acclimate::methods
