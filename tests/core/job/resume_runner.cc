// One process of resume_test: runs a method over a world, pauses when told, resumes from a state.
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/core/job/synthetic.h"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::cerr << "resume_runner METHOD PRECISION WORLD OUTPUT STATE|- PAUSE_AFTER\n";
    return 2;
  }
  using acclimate::testing::OpenFile;
  acclimate::job::RunSpec spec = acclimate::testing::SpecFor(argv[1], argv[3], argv[4]);
  spec.precision = argv[2];
  const std::string state = argv[5];
  if (state != "-") spec.resume_state = OpenFile(state);
  acclimate::testing::TestObserver observer(std::atoll(argv[6]), acclimate::job::Directive::kPause);
  const absl::StatusOr<acclimate::job::RunResult> result = acclimate::job::Run(spec, observer);
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    return 1;
  }
  return 0;
}
