// Every method by name.
#ifndef ACCLIMATE_CORE_METHODS_REGISTRY_H_
#define ACCLIMATE_CORE_METHODS_REGISTRY_H_

#include <string>
#include <vector>

#include "core/methods/method.h"

namespace acclimate::methods {

// Sorted by name.
const std::vector<MethodEntry>& Registry();

// Null when there is none of that name.
const MethodEntry* FindMethod(const std::string& name);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_REGISTRY_H_
