#include "core/methods/settings.h"

namespace acclimate::methods {

HyperparameterSpec IntegerSetting(std::string name, std::string description, int64_t value,
                                  int64_t minimum, int64_t maximum) {
  HyperparameterSpec spec;
  spec.name = std::move(name);
  spec.description = std::move(description);
  spec.default_value = value;
  spec.minimum = static_cast<double>(minimum);
  spec.maximum = static_cast<double>(maximum);
  return spec;
}

HyperparameterSpec RealSetting(std::string name, std::string description, double value,
                               double minimum, double maximum) {
  HyperparameterSpec spec;
  spec.name = std::move(name);
  spec.description = std::move(description);
  spec.default_value = value;
  spec.minimum = minimum;
  spec.maximum = maximum;
  return spec;
}

HyperparameterSpec PositiveSetting(std::string name, std::string description, double value,
                                   double maximum) {
  HyperparameterSpec spec =
      RealSetting(std::move(name), std::move(description), value, 0.0, maximum);
  spec.exclusive_minimum = true;
  return spec;
}

HyperparameterSpec FlagSetting(std::string name, std::string description, bool value) {
  HyperparameterSpec spec;
  spec.name = std::move(name);
  spec.description = std::move(description);
  spec.default_value = value;
  return spec;
}

HyperparameterSpec ChoiceSetting(std::string name, std::string description, std::string value,
                                 std::vector<std::string> choices) {
  HyperparameterSpec spec;
  spec.name = std::move(name);
  spec.description = std::move(description);
  spec.default_value = std::move(value);
  spec.choices = std::move(choices);
  return spec;
}

std::vector<HyperparameterSpec> Concatenated(std::vector<HyperparameterSpec> first,
                                             std::vector<HyperparameterSpec> second) {
  for (HyperparameterSpec& spec : second) first.push_back(std::move(spec));
  return first;
}

}  // namespace acclimate::methods
