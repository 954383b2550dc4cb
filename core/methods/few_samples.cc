#include "core/methods/few_samples.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/methods/selection.h"

namespace acclimate::methods {
namespace {

class FewSamplesTask : public train::Task {
 public:
  explicit FewSamplesTask(int64_t target_samples) : target_samples_(target_samples) {
    plan_.total_steps = 1;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&, train::StopSignal&) override {
    return train::StepOutput();
  }

  void Report(nlohmann::json& report) const override {
    report["selection"] = {
        {"candidates", nlohmann::json::array()},
        {"chosen", "source"},
        {"guard",
         {{"on", true},
          {"held", false},
          {"source", "source"},
          {"rules", {{{"rule", "few_samples"}, {"holds", false}, {"says", Why()}}}},
          {"reason", Why()}}}};
  }

 private:
  std::string Why() const {
    return absl::StrCat("nothing can be judged by ", target_samples_, " target samples, under ",
                        kLeastTargetSamples);
  }

  const int64_t target_samples_;
  train::Plan plan_;
};

}  // namespace

std::unique_ptr<train::Task> MakeFewSamplesTask(const MethodContext& context) {
  return std::make_unique<FewSamplesTask>(context.target.size());
}

}  // namespace acclimate::methods
