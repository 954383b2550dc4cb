// What programs that measure accuracy through job::Run share: flags, files, quiet runs, tables.
// Whatever goes wrong ends the process with a message.
#ifndef ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_
#define ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"
#include "core/job/run.h"
#include "core/methods/method_spec.h"

namespace acclimate::bench {

[[noreturn]] void Fail(const std::string& message);

void Must(const absl::Status& status);

template <typename T>
T Must(absl::StatusOr<T> value) {
  Must(value.status());
  return *std::move(value);
}

// --NAME VALUE ...: no flag is without a value, and none but the program's own is taken. Of one
// given twice the last counts, but for --set.
class Flags {
 public:
  // `defaults`: the program's own flags by name without dashes, with --set if it takes any.
  Flags(int argc, char** argv, std::map<std::string, std::string> defaults);

  std::string Text(const std::string& name) const;
  std::vector<std::string> List(const std::string& name) const;  // separated by commas
  std::vector<std::string> Seeds() const;                        // --seeds, each one checked
  int64_t Integer(const std::string& name) const;
  double Number(const std::string& name) const;
  // All of --set NAME=VALUE; each is a setting of some method.
  methods::Hyperparameters Settings() const;
  // All of --set METHOD.NAME=VALUE, by method.
  std::map<std::string, methods::Hyperparameters> SettingsByMethod() const;

 private:
  std::vector<std::string> Given(const std::string& name) const;

  std::map<std::string, std::string> defaults_;
  std::map<std::string, std::vector<std::string>> given_;
};

uint64_t ParseSeed(const std::string& text);

// What the catalogue says of a method.
methods::MethodSpec SpecOf(const std::string& method);

// $ACCLIMATE_TEST_DATA or ../shared/data beside the repository.
std::string DataFolder();
// The path of `name` below it.
std::string DataFile(const std::string& name);

std::shared_ptr<io::MappedFile> OpenFile(const std::string& path);
std::map<std::string, at::Tensor> ReadTensors(const std::string& path);
void WriteTensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors);
// Nothing when `path` is empty, as --json is by default.
void WriteJson(const std::string& path, const nlohmann::json& document, int indent = 2);

struct Outcome {
  std::map<std::string, double> metrics;
  nlohmann::json report;
  double seconds = 0;  // of training
};

// Makes the output directory. Warnings go to standard error.
Outcome RunOrFail(const job::RunSpec& spec, bool print_warnings = true);

// The same with --threads, --out and --set NAME=VALUE of `flags`: settings are laid over those of
// a method that has them, files are left in OUT/VARIANT-SEED.
Outcome RunVariant(const Flags& flags, const std::string& variant, const std::string& seed,
                   job::RunSpec spec);

struct Spread {
  double mean = 0, deviation = 0;
};
Spread MeanAndSpread(const std::vector<double>& values);

// Values by variant and by name, one a seed; printed as mean and spread at the end.
class ResultTable {
 public:
  void Add(const std::string& variant, const std::string& name, double value);
  void Print() const;

  const std::map<std::string, std::map<std::string, std::vector<double>>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::map<std::string, std::vector<double>>> values_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_ACCURACY_RUN_H_
