// A job as small as a job can be: lenet trained on 64 images of noise, a few steps.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_SMALL_JOB_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_SMALL_JOB_H_

#include <filesystem>

#include "acclimate/v1/job_service.pb.h"
#include "client/lib/connection.h"

namespace acclimate::bench {

// Makes the data in `directory`, uploads them, and fills in the request.
v1::CreateJobRequest PrepareSmallJob(client::Connection& connection,
                                     const std::filesystem::path& directory);

// Waits until nothing is queued or running and a worker is warm.
void AwaitWarmWorker(client::Connection& connection);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_SMALL_JOB_H_
