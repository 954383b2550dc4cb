#include "core/methods/fine_tuning/layer_groups.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace acclimate::methods {
namespace {

using TensorsByName = std::map<std::string, at::Tensor>;

// By the tensor: a tied weight has several names.
bool Reads(const model::Level& level, const at::Tensor& parameter, const TensorsByName& tensors) {
  return std::any_of(level.parameters.begin(), level.parameters.end(),
                     [&](const std::string& name) {
                       const auto it = tensors.find(name);
                       return it != tensors.end() && it->second.is_same(parameter);
                     });
}

// The first group with a level that reads the parameter; groups.size() when none does.
size_t GroupOf(const model::Parameter& parameter, const std::vector<LayerGroup>& groups,
               const std::vector<model::Level>& levels, const TensorsByName& tensors) {
  for (size_t group = 0, level = 0; group < groups.size(); ++group) {
    for (; level <= groups[group].level; ++level) {
      if (Reads(levels[level], parameter.tensor, tensors)) return group;
    }
  }
  return groups.size();
}

}  // namespace

LayerGroups GroupLayers(const model::Model& model, int64_t count) {
  const std::vector<model::Level>& levels = model.levels();
  const size_t groups = std::min(static_cast<size_t>(count), levels.size());
  LayerGroups result;
  for (size_t i = 1; i <= groups; ++i) {
    result.body.push_back({i * levels.size() / groups - 1, {}});
  }
  const TensorsByName tensors = model.StateDict();
  for (const model::Parameter& parameter : model.parameters()) {
    const size_t group = GroupOf(parameter, result.body, levels, tensors);
    const train::NamedParameter named{parameter.name, parameter.tensor};
    if (group < groups) {
      result.body[group].parameters.push_back(named);
    } else if (parameter.head) {
      result.head.push_back(named);
    } else {
      result.body.front().parameters.push_back(named);  // read by nothing: never moves
    }
  }
  return result;
}

std::vector<train::ParameterGroup> DiscriminativeGroups(const LayerGroups& layers, double decay,
                                                        double head_multiplier) {
  std::vector<train::ParameterGroup> groups;
  for (size_t i = 0; i < layers.body.size(); ++i) {
    const double depth = static_cast<double>(layers.body.size() - i);
    groups.push_back({layers.body[i].parameters, std::pow(decay, depth)});
  }
  groups.push_back({layers.head, head_multiplier});
  return groups;
}

}  // namespace acclimate::methods
