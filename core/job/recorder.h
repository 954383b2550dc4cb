// An observer between a run and its client.
#ifndef ACCLIMATE_CORE_JOB_RECORDER_H_
#define ACCLIMATE_CORE_JOB_RECORDER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/job/cost.h"
#include "core/job/run.h"

namespace acclimate::job {

// Passes everything on; keeps the warnings, how long each phase took, and the cost.
class Recorder : public RunObserver {
 public:
  explicit Recorder(RunObserver& observer) : observer_(observer) {}

  void OnPhase(const std::string& phase) override {
    EndPhase();
    phase_ = phase;
    observer_.OnPhase(phase);
  }
  void OnMetrics(const Progress& progress, const std::map<std::string, double>& values) override {
    observer_.OnMetrics(progress, values);
  }
  void OnWarning(const std::string& message) override {
    warnings_.push_back(message);
    observer_.OnWarning(message);
  }
  void OnTrainingState(int64_t step, const std::string& path) override {
    observer_.OnTrainingState(step, path);
  }
  Directive NextDirective() override { return observer_.NextDirective(); }

  void EndPhase() {
    const Clock::time_point now = Clock::now();
    if (!phase_.empty()) {
      seconds_[phase_] += std::chrono::duration<double>(now - begin_).count();
    }
    begin_ = now;
  }
  const std::map<std::string, double>& seconds() const { return seconds_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  Cost cost() const { return meter_.Read(); }

 private:
  using Clock = std::chrono::steady_clock;

  RunObserver& observer_;
  const CostMeter meter_;
  std::string phase_;
  Clock::time_point begin_ = Clock::now();
  std::map<std::string, double> seconds_;
  std::vector<std::string> warnings_;
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_RECORDER_H_
