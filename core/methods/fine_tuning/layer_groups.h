// A model's parameters by depth, in groups of consecutive layers: what discriminative learning
// rates and gradual unfreezing (Howard & Ruder, "ULMFiT", ACL 2018) go by.
#ifndef ACCLIMATE_CORE_METHODS_FINE_TUNING_LAYER_GROUPS_H_
#define ACCLIMATE_CORE_METHODS_FINE_TUNING_LAYER_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/model/model.h"
#include "core/train/task.h"

namespace acclimate::methods {

struct LayerGroup {
  size_t level = 0;  // of the model, behind the group
  std::vector<train::NamedParameter> parameters;
};

struct LayerGroups {
  std::vector<LayerGroup> body;  // from the inputs up; the last level is the features
  std::vector<train::NamedParameter> head;
};

// At most `count` >= 1 groups below the head, of about equally many levels each. Every parameter is
// in one group; one that several groups read is in the lowest of them.
LayerGroups GroupLayers(const model::Model& model, int64_t count);

// The head at `head_multiplier`, the group below it at `decay`, the one below that at decay^2, and
// so on down to the inputs.
std::vector<train::ParameterGroup> DiscriminativeGroups(const LayerGroups& layers, double decay,
                                                        double head_multiplier);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FINE_TUNING_LAYER_GROUPS_H_
