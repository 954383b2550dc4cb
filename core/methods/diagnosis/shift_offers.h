// The catalogue as the verdict on a shift sees it.
#ifndef ACCLIMATE_CORE_METHODS_DIAGNOSIS_SHIFT_OFFERS_H_
#define ACCLIMATE_CORE_METHODS_DIAGNOSIS_SHIFT_OFFERS_H_

#include <vector>

#include "core/data/dataset.h"
#include "core/methods/method_spec.h"
#include "core/model/model.h"
#include "core/shift/verdict.h"

namespace acclimate::methods {

// What the method needs, and the shifts that it answers: those of the spec; else every kind for one
// that learns from labels of the target, and covariate shift for one that adapts a given model to
// an unlabelled target. A method that does neither answers none.
shift::MethodOffer OfferOf(const MethodSpec& spec);

// Of every method of the registry.
std::vector<shift::MethodOffer> AllOffers();

// What the model has, of samples of any kind and with sources.
shift::Available AvailableFor(const model::Model& model);
// With that target.
shift::Available AvailableFor(const model::Model& model, const data::Dataset& target, bool sources);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_DIAGNOSIS_SHIFT_OFFERS_H_
