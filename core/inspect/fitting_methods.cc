#include "core/inspect/fitting_methods.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/methods/diagnosis/shift_offers.h"
#include "core/shift/verdict.h"

namespace acclimate::inspect {

nlohmann::ordered_json FittingMethods(const model::Model& model,
                                      const std::vector<int64_t>& sample_shape) {
  shift::Available available = methods::AvailableFor(model);
  if (!sample_shape.empty()) {
    available.vectors = sample_shape.size() == 1;
    available.images = sample_shape.size() == 3;
  }
  std::vector<std::string> without_source, with_source, left_out;
  for (const shift::MethodOffer& offer : methods::AllOffers()) {
    if (offer.answers.empty() || offer.needs_target_labels) continue;
    if (const std::string need = shift::MissingNeed(offer, available); !need.empty()) {
      left_out.push_back(absl::StrCat(offer.name, ": ", need));
    } else {
      (offer.needs_sources ? with_source : without_source).push_back(offer.name);
    }
  }
  return {{"methods_without_source", without_source},
          {"methods_with_source", with_source},
          {"methods_left_out", left_out}};
}

}  // namespace acclimate::inspect
