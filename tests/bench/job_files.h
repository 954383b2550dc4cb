// What benchmarks of whole jobs run on: a network with fresh weights, and two domains of random
// images.
#ifndef ACCLIMATE_TESTS_BENCH_JOB_FILES_H_
#define ACCLIMATE_TESTS_BENCH_JOB_FILES_H_

#include <cstdint>
#include <string>

#include "core/job/run.h"
#include "core/methods/method_spec.h"
#include "core/model/architectures.h"

namespace acclimate::bench {

struct JobFiles {
  std::string model, source, target;
};

// Writes them into `folder`, which it makes: `source` samples with labels and `target` ones
// without, of its sample shape and in its classes. Each class is a pattern of its own, so that
// there is something to learn; the target has more contrast.
JobFiles WriteJobFiles(const std::string& folder, const model::ArchitectureOptions& architecture,
                       int64_t source, int64_t target);

// A job of `method` on one thread: those with source data get it.
job::RunSpec JobSpec(const std::string& method, const JobFiles& files, const std::string& out,
                     const methods::Hyperparameters& settings);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_JOB_FILES_H_
