// Bounded samples of sources, target and labelled target samples, each once through the model: what
// methods that measure a shift work on.
#ifndef ACCLIMATE_CORE_METHODS_DOMAIN_PASSES_H_
#define ACCLIMATE_CORE_METHODS_DOMAIN_PASSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/methods/method.h"
#include "core/shift/concept_test.h"
#include "core/shift/domain_sample.h"
#include "core/shift/output_measures.h"
#include "core/train/stop_signal.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// The fewest of a domain of which anything can be said.
constexpr int64_t kFewestDomainSamples = 20;

// INVALID_ARGUMENT: too few samples; a labelled input whose shape or classes are not the model's.
absl::Status CheckDomains(const MethodContext& context, const std::string& labelled_input);

// All random choices follow from one number that is drawn at construction and kept in the state:
// a run taken up again makes the same ones.
class DomainPasses {
 public:
  // labelled_input: the name of the optional dataset of labelled target samples.
  DomainPasses(const MethodContext& context, std::string labelled_input, size_t most_levels,
               int64_t source_samples, int64_t target_samples);

  // Every pass, once; later calls do nothing. CANCELLED: to be called again.
  absl::Status Run(train::StopSignal& stop);

  const shift::Places& places() const { return places_; }
  bool has_source() const { return !source_.empty(); }
  const std::vector<shift::DomainSample>& sources() const { return source_; }
  const shift::DomainSample& source() const { return all_sources_; }  // one after the other
  const shift::DomainSample& target() const { return target_; }
  const at::Tensor& target_rows() const { return target_rows_; }  // int64, in the dataset
  bool has_labelled() const { return labelled_input_given_; }
  const shift::DomainSample& labelled() const { return labelled_; }
  // Rows of `dataset` that a pass takes, as often as asked.
  at::Tensor Rows(const data::Dataset& dataset, int64_t most, uint64_t stream) const;

  // The model's answer to the target's features after AlignedMoments(): [m, C].
  at::Tensor AlignedTargetLogits() const;
  // Labels against the model where the domains overlap. Needs sources and labels.
  shift::LabelEvidence JudgeLabels(const shift::Calibration& calibration) const;
  // The drop in confidence of aligned features. Needs sources.
  shift::ConfidenceTest JudgeConfidence() const;

  // A generator of its own for each `stream`.
  at::Generator GeneratorFor(uint64_t stream) const;

  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  absl::Status Sample(const data::Dataset& dataset, const at::Tensor& rows, shift::Reducer& reducer,
                      train::StopSignal& stop, shift::DomainSample& sample);
  const data::Dataset* labelled_dataset() const;

  model::Model& model_;
  const std::vector<data::Dataset>& source_datasets_;
  const data::Dataset& target_dataset_;
  const ExtraInputs& inputs_;
  const at::Device device_;
  const std::string labelled_input_;
  const bool labelled_input_given_;
  const shift::Places places_;
  const int64_t source_samples_, target_samples_;
  int64_t seed_;

  bool done_ = false;
  std::vector<shift::DomainSample> source_;
  shift::DomainSample all_sources_, target_, labelled_;
  at::Tensor target_rows_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_DOMAIN_PASSES_H_
