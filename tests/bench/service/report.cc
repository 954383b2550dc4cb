#include "tests/bench/service/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/lib/error.h"

namespace acclimate::bench {

void Die(absl::string_view message) {
  std::cerr << message << std::endl;
  std::_Exit(1);
}

void Require(const grpc::Status& status, absl::string_view action) {
  if (!status.ok()) Die(absl::StrCat(action, ": ", client::FromGrpc(status).ToString()));
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Rounded(double value, int digits) {
  const double scale = std::pow(10, digits);
  return std::round(value * scale) / scale;
}

void Print(const Json& figures, absl::string_view summary) {
  std::cout << figures.dump() << "\n" << summary << std::endl;
}

}  // namespace acclimate::bench
