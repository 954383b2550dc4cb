// What `diagnose` says before a race: which methods cannot work on these data, and why.
#ifndef ACCLIMATE_CORE_METHODS_RACE_RACE_DIAGNOSIS_H_
#define ACCLIMATE_CORE_METHODS_RACE_RACE_DIAGNOSIS_H_

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "core/methods/method.h"
#include "core/train/stop_signal.h"
#include "core/train/task.h"

namespace acclimate::methods {

class RaceDiagnosis {
 public:
  // context: that of the race; outlives this. Without sources there is nothing to compare.
  static absl::StatusOr<RaceDiagnosis> Create(const MethodContext& context);

  // Once; the model stays as it is. CANCELLED: to be called again.
  absl::Status Run(train::StopSignal& stop);

  // Why `method` cannot work here; empty when it may, and before Run().
  std::string Obstacle(const std::string& method) const;
  // The verdict in words; empty before Run() and without sources.
  std::string Sentence() const;
  // Adds `diagnosis`, as a job of that method does.
  void Report(nlohmann::json& report) const;

  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  explicit RaceDiagnosis(const MethodContext& context) : context_(&context) {}

  const MethodContext* context_;
  std::unique_ptr<train::Task> task_;  // null without sources
  nlohmann::json diagnosis_;           // null before Run()
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_RACE_RACE_DIAGNOSIS_H_
