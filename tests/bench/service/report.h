// What the benchmarks of the service share: medians, the two lines of output, and giving up.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_REPORT_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_REPORT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/support/status.h"
#include "nlohmann/json.hpp"

namespace acclimate::bench {

using Json = nlohmann::ordered_json;

// Ends the process; the kernel ends its servers.
[[noreturn]] void Die(absl::string_view message);
void Require(const grpc::Status& status, absl::string_view action);

template <typename T>
T Require(absl::StatusOr<T> value, absl::string_view action) {
  if (!value.ok()) Die(std::string(action) + ": " + value.status().ToString());
  return *std::move(value);
}

// Of at least one value.
double Median(std::vector<double> values);
double Rounded(double value, int digits);

// `figures` as one line of JSON, then one line for people.
void Print(const Json& figures, absl::string_view summary);

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_REPORT_H_
