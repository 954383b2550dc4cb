#include "core/methods/needs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::methods {
namespace {

using What = NeedProblem::What;

class Check {
 public:
  Check(const MethodSpec& method, const Given& given) : method_(method), given_(given) {}

  std::vector<NeedProblem> Run() && {
    One(What::kSources, method_.source, given_.sources, "labelled source data");
    One(What::kTarget, method_.target, given_.target,
        method_.target_labels == DataNeed::kRequired ? "labelled target data" : "target data");
    Inputs();
    One(What::kCheckpoint, method_.checkpoint, given_.checkpoint, "a checkpoint");
    if (method_.checkpoint != DataNeed::kRequired && !given_.checkpoint && !given_.architecture) {
      Add(What::kArchitecture, "needs a checkpoint or a built-in architecture");
    }
    return std::move(problems_);
  }

 private:
  void Add(What what, const std::string& text, bool superfluous = false,
           const std::string& input = "") {
    problems_.push_back(
        {what, input, absl::StrCat("method ", method_.name, " ", text), superfluous});
  }

  void One(What what, DataNeed need, bool given, const std::string& name) {
    if (need == DataNeed::kRequired && !given) Add(what, absl::StrCat("needs ", name));
    if (need == DataNeed::kNone && given) {
      Add(what, absl::StrCat("takes no ", name), /*superfluous=*/true);
    }
  }

  void Inputs() {
    for (const std::string& name : given_.inputs) {
      const bool known = std::any_of(method_.inputs.begin(), method_.inputs.end(),
                                     [&](const InputSpec& input) { return input.name == name; });
      if (!known) {
        Add(What::kInput, absl::StrCat("takes no input \"", name, "\""), /*superfluous=*/false,
            name);
      }
    }
    for (const InputSpec& input : method_.inputs) {
      if (input.need != DataNeed::kRequired || given_.inputs.count(input.name) > 0) continue;
      Add(What::kInput, absl::StrCat("needs \"", input.name, "\": ", input.description),
          /*superfluous=*/false, input.name);
    }
  }

  const MethodSpec& method_;
  const Given& given_;
  std::vector<NeedProblem> problems_;
};

}  // namespace

std::vector<NeedProblem> CheckNeeds(const MethodSpec& method, const Given& given) {
  return Check(method, given).Run();
}

}  // namespace acclimate::methods
