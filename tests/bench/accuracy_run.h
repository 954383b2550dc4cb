// What programs that measure accuracy through job::Run share: flags, files, quiet runs.
#ifndef ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_
#define ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/io/tensor_file.h"
#include "core/job/run.h"

namespace acclimate::bench {

[[noreturn]] inline void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

struct RunOptions {
  std::vector<std::string> seeds = {"1", "2", "3"};
  std::vector<std::string> variants;  // names of the program's own
  int threads = 1;
  methods::Hyperparameters set;              // laid over those of every variant that has them
  std::map<std::string, std::string> other;  // the program's own flags, by name without dashes
  std::string out, json_file;
};

// --seeds 1,2,3 --variants A,B --threads 1 --set NAME=VALUE ... --out FOLDER --json FILE, and any
// other flag with its value.
inline RunOptions ParseOptions(int argc, char** argv, RunOptions options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--seeds") {
      options.seeds = absl::StrSplit(value, ',');
    } else if (flag == "--variants") {
      options.variants = absl::StrSplit(value, ',');
    } else if (flag == "--threads") {
      options.threads = std::atoi(value.c_str());
    } else if (flag == "--out") {
      options.out = value;
    } else if (flag == "--json") {
      options.json_file = value;
    } else if (flag == "--set") {
      const std::pair<std::string, std::string> setting =
          absl::StrSplit(value, absl::MaxSplits('=', 1));
      int64_t integer;
      double real;
      if (absl::SimpleAtoi(setting.second, &integer)) {
        options.set[setting.first] = integer;
      } else if (absl::SimpleAtod(setting.second, &real)) {
        options.set[setting.first] = real;
      } else if (setting.second == "true" || setting.second == "false") {
        options.set[setting.first] = setting.second == "true";
      } else {
        options.set[setting.first] = setting.second;
      }
    } else {
      options.other[flag.substr(2)] = value;
    }
  }
  return options;
}

inline std::shared_ptr<io::MappedFile> OpenFile(const std::string& path) {
  auto file = io::MappedFile::Open(path);
  if (!file.ok()) Fail(file.status().ToString());
  return *file;
}

// `name` below $ACCLIMATE_TEST_DATA or ../shared/data beside the repository.
inline std::string DataFile(const std::string& name) {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return absl::StrCat(folder != nullptr ? folder : ACCLIMATE_SOURCE_DIR "/../shared/data", "/",
                      name);
}

inline std::map<std::string, at::Tensor> ReadTensors(const std::string& path) {
  auto file = io::ReadSafetensors(OpenFile(path));
  if (!file.ok()) Fail(file.status().ToString());
  return file->tensors;
}

inline void WriteTensors(const std::string& path,
                         const std::map<std::string, at::Tensor>& tensors) {
  const absl::Status status = io::WriteSafetensors(path, tensors);
  if (!status.ok()) Fail(status.ToString());
}

class QuietObserver : public job::RunObserver {
 public:
  void OnPhase(const std::string&) override {}
  void OnMetrics(const job::Progress&, const std::map<std::string, double>&) override {}
  void OnWarning(const std::string& message) override {
    std::fprintf(stderr, "warning: %s\n", message.c_str());
  }
  void OnTrainingState(int64_t, const std::string&) override {}
  job::Directive NextDirective() override { return job::Directive::kContinue; }
};

struct Outcome {
  std::map<std::string, double> metrics;
  nlohmann::json report;
  double seconds = 0;  // of training
};

inline Outcome RunOrFail(const RunOptions& options, const std::string& variant,
                         const std::string& seed, job::RunSpec spec) {
  for (const auto& known : job::Catalog()) {
    if (known.name != spec.method) continue;
    for (const auto& setting : known.hyperparameters) {
      const auto set = options.set.find(setting.name);
      if (set != options.set.end()) spec.hyperparameters[set->first] = set->second;
    }
  }
  spec.seed = std::strtoull(seed.c_str(), nullptr, 10);
  spec.threads = options.threads;
  spec.output_directory = absl::StrCat(options.out, "/", variant, "-", seed);
  std::filesystem::create_directories(spec.output_directory);
  QuietObserver observer;
  auto result = job::Run(spec, observer);
  if (!result.ok()) Fail(absl::StrCat(variant, ": ", result.status().ToString()));
  std::ifstream file(spec.output_directory + "/report.json");
  Outcome outcome{result->metrics, nlohmann::json::parse(file), 0};
  outcome.seconds = outcome.report["seconds"]["training"].get<double>();
  return outcome;
}

// Values by variant and by name, one a seed; printed as mean and spread at the end.
class ResultTable {
 public:
  void Add(const std::string& variant, const std::string& name, double value) {
    values_[variant][name].push_back(value);
  }

  void Print() const {
    for (const auto& [variant, columns] : values_) {
      std::printf("%-14s", variant.c_str());
      for (const auto& [name, values] : columns) {
        double mean = 0, squares = 0;
        for (const double value : values) mean += value / values.size();
        for (const double value : values)
          squares += (value - mean) * (value - mean) / values.size();
        std::printf("  %s %.4g +- %.2g", name.c_str(), mean, std::sqrt(squares));
      }
      std::printf("\n");
    }
  }

  const std::map<std::string, std::map<std::string, std::vector<double>>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::map<std::string, std::vector<double>>> values_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_
