#include "core/methods/registry.h"

#include <algorithm>

#include "core/methods/selection.h"

// One line a method: the function that its file defines.
#define ACCLIMATE_METHODS(X) \
  X(Aad)                     \
  X(Adabn)                   \
  X(AdaptFewShot)            \
  X(Afn)                     \
  X(Anil)                    \
  X(Auto)                    \
  X(Bnm)                     \
  X(Cdan)                    \
  X(ConceptShift)            \
  X(Continual)               \
  X(Cotta)                   \
  X(Dan)                     \
  X(Dann)                    \
  X(DeepCoral)               \
  X(Diagnose)                \
  X(Distill)                 \
  X(Eata)                    \
  X(Evaluate)                \
  X(Finetune)                \
  X(Jan)                     \
  X(LabelShift)              \
  X(Lame)                    \
  X(Light)                   \
  X(Maml)                    \
  X(Mcc)                     \
  X(Mcd)                     \
  X(Mdd)                     \
  X(Mic)                     \
  X(Moe)                     \
  X(MultiSourceDann)         \
  X(Progressive)             \
  X(Protonet)                \
  X(Roid)                    \
  X(Sar)                     \
  X(Shot)                    \
  X(Simclr)                  \
  X(TableTeacher)            \
  X(Tent)                    \
  X(TextTeacher)

namespace acclimate::methods {

#define ACCLIMATE_DECLARE(Name) MethodEntry Name();
ACCLIMATE_METHODS(ACCLIMATE_DECLARE)
#undef ACCLIMATE_DECLARE

const std::vector<MethodEntry>& Registry() {
#define ACCLIMATE_CALL(Name) Name(),
  static const auto* const kRegistry = [] {
    auto* entries = new std::vector<MethodEntry>{ACCLIMATE_METHODS(ACCLIMATE_CALL)};
    for (MethodEntry& entry : *entries) AddSelection(entry.spec);
    std::sort(entries->begin(), entries->end(),
              [](const MethodEntry& a, const MethodEntry& b) { return a.spec.name < b.spec.name; });
    return entries;
  }();
#undef ACCLIMATE_CALL
  return *kRegistry;
}

const MethodEntry* FindMethod(const std::string& name) {
  for (const MethodEntry& entry : Registry()) {
    if (entry.spec.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace acclimate::methods
