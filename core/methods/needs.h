// What a method must be given and what it takes: one check, for the server at CreateJob and for the
// worker. Free of LibTorch.
#ifndef ACCLIMATE_CORE_METHODS_NEEDS_H_
#define ACCLIMATE_CORE_METHODS_NEEDS_H_

#include <set>
#include <string>
#include <vector>

#include "core/methods/method_spec.h"

namespace acclimate::methods {

// What a run has, as far as its description shows.
struct Given {
  bool checkpoint = false;
  bool architecture = false;
  bool sources = false;
  bool target = false;
  std::set<std::string> inputs;  // by name
};

struct NeedProblem {
  enum class What { kCheckpoint, kArchitecture, kSources, kTarget, kInput };
  What what;
  std::string input;         // of kInput: its name
  std::string description;   // "method shot needs a checkpoint"
  bool superfluous = false;  // given, and not used: a run could go on without it
};

// Every one; empty when all is well.
std::vector<NeedProblem> CheckNeeds(const MethodSpec& method, const Given& given);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_NEEDS_H_
