#include "tests/reliability/options.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace acclimate::reliability {
namespace {

Options& Given() {
  static auto& options = *new Options;
  return options;
}

}  // namespace

const Options& RunOptions() { return Given(); }

void ReadOptions(int argc, char** argv) {
  Options& options = Given();
  options.seed = std::random_device()();
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--long") {
      options.long_form = true;
    } else if (absl::ConsumePrefix(&argument, "--count=") &&
               absl::SimpleAtoi(argument, &options.count)) {
    } else if (absl::ConsumePrefix(&argument, "--seed=") &&
               absl::SimpleAtoi(argument, &options.seed)) {
    } else {
      std::fprintf(stderr, "%s: unknown argument %s\n", argv[0], argv[i]);
      std::exit(2);
    }
  }
}

int64_t Count(int64_t short_form, int64_t long_form) {
  if (Given().count > 0) return Given().count;
  return Given().long_form ? long_form : short_form;
}

std::mt19937_64 RandomFor(const std::string& purpose) {
  std::seed_seq seed{Given().seed, uint64_t{std::hash<std::string>()(purpose)}};
  return std::mt19937_64(seed);
}

int64_t Draw(std::mt19937_64& random, int64_t last) {
  return std::uniform_int_distribution<int64_t>(0, last)(random);
}

void Report(const std::string& name, const std::string& figure) {
  std::printf("[  REPORT  ] %s: %s\n", name.c_str(), figure.c_str());
  std::fflush(stdout);
}

}  // namespace acclimate::reliability
