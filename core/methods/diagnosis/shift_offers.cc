#include "core/methods/diagnosis/shift_offers.h"

#include "core/methods/perturbations.h"
#include "core/methods/registry.h"

namespace acclimate::methods {
namespace {

using shift::ShiftKind;

std::vector<ShiftKind> AnswersOf(const MethodSpec& spec) {
  if (!spec.answers.empty()) return spec.answers;
  if (!spec.trains || spec.target != DataNeed::kRequired) return {};
  if (spec.target_labels == DataNeed::kRequired) {
    return {ShiftKind::kCovariate, ShiftKind::kLabel, ShiftKind::kConcept};
  }
  if (spec.checkpoint == DataNeed::kRequired) return {ShiftKind::kCovariate};
  return {};
}

}  // namespace

shift::MethodOffer OfferOf(const MethodSpec& spec) {
  shift::MethodOffer offer;
  offer.name = spec.name;
  offer.answers = AnswersOf(spec);
  offer.needs_sources = spec.source == DataNeed::kRequired;
  offer.needs_target_labels = spec.target_labels == DataNeed::kRequired;
  offer.needs_batch_norm = spec.needs_batch_norm;
  offer.needs_vectors = spec.needs_vectors;
  offer.needs_normalization = spec.needs_normalization;
  offer.needs_images = spec.needs_images;
  for (const InputSpec& input : spec.inputs) {
    if (input.need == DataNeed::kRequired) offer.needs_inputs.push_back(input.name);
  }
  return offer;
}

std::vector<shift::MethodOffer> AllOffers() {
  std::vector<shift::MethodOffer> offers;
  for (const MethodEntry& entry : Registry()) offers.push_back(OfferOf(entry.spec));
  return offers;
}

shift::Available AvailableFor(const model::Model& model) {
  shift::Available available;
  available.batch_norm = !model.batch_norm_layers().empty();
  available.normalization = !model.normalization_layers().empty();
  return available;
}

shift::Available AvailableFor(const model::Model& model, const data::Dataset& target,
                              bool sources) {
  shift::Available available = AvailableFor(model);
  available.sources = sources;
  available.vectors = Vectors(target);
  available.images = Images(target);
  return available;
}

}  // namespace acclimate::methods
