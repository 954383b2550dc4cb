#include "tests/bench/accuracy_run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/io/tensor_file.h"

namespace acclimate::bench {
namespace {

class QuietObserver : public job::RunObserver {
 public:
  explicit QuietObserver(bool print_warnings) : print_warnings_(print_warnings) {}

  void OnPhase(const std::string&) override {}
  void OnMetrics(const job::Progress&, const std::map<std::string, double>&) override {}
  void OnWarning(const std::string& message) override {
    if (print_warnings_) std::fprintf(stderr, "warning: %s\n", message.c_str());
  }
  void OnTrainingState(int64_t, const std::string&) override {}
  job::Directive NextDirective() override { return job::Directive::kContinue; }

 private:
  const bool print_warnings_;
};

methods::HyperparameterValue ParseValue(const std::string& text) {
  int64_t integer;
  double real;
  if (absl::SimpleAtoi(text, &integer)) return integer;
  if (absl::SimpleAtod(text, &real)) return real;
  if (text == "true" || text == "false") return text == "true";
  return text;
}

// The parts of --set `text` before and after its first '='.
std::pair<std::string, std::string> SplitSetting(const std::string& text) {
  if (!absl::StrContains(text, "=")) Fail(absl::StrCat("--set ", text, ": has no ="));
  return absl::StrSplit(text, absl::MaxSplits('=', 1));
}

bool HasSetting(const methods::MethodSpec& spec, const std::string& name) {
  return std::any_of(spec.hyperparameters.begin(), spec.hyperparameters.end(),
                     [&name](const auto& known) { return known.name == name; });
}

}  // namespace

void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

void Must(const absl::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

Flags::Flags(int argc, char** argv, std::map<std::string, std::string> defaults)
    : defaults_(std::move(defaults)) {
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string name(absl::StripPrefix(flag, "--"));
    if (name == flag || defaults_.count(name) == 0) {
      Fail(absl::StrCat("unknown flag ", flag, "; known: ",
                        absl::StrJoin(defaults_, ", ", [](std::string* text, const auto& known) {
                          absl::StrAppend(text, "--", known.first);
                        })));
    }
    if (i + 1 == argc || absl::StartsWith(argv[i + 1], "--")) {
      Fail(absl::StrCat("flag ", flag, " has no value"));
    }
    given_[name].push_back(argv[i + 1]);
  }
}

std::vector<std::string> Flags::Given(const std::string& name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::vector<std::string>() : found->second;
}

std::string Flags::Text(const std::string& name) const {
  const std::vector<std::string> given = Given(name);
  return given.empty() ? defaults_.at(name) : given.back();
}

std::vector<std::string> Flags::List(const std::string& name) const {
  return absl::StrSplit(Text(name), ',', absl::SkipEmpty());
}

int64_t Flags::Integer(const std::string& name) const {
  int64_t value;
  if (!absl::SimpleAtoi(Text(name), &value)) {
    Fail(absl::StrCat("--", name, " ", Text(name), ": not an integer"));
  }
  return value;
}

double Flags::Number(const std::string& name) const {
  double value;
  if (!absl::SimpleAtod(Text(name), &value)) {
    Fail(absl::StrCat("--", name, " ", Text(name), ": not a number"));
  }
  return value;
}

std::vector<std::string> Flags::Seeds() const {
  std::vector<std::string> seeds = List("seeds");
  for (const std::string& seed : seeds) ParseSeed(seed);
  return seeds;
}

methods::Hyperparameters Flags::Settings() const {
  const std::vector<methods::MethodSpec> catalog = job::Catalog();
  methods::Hyperparameters settings;
  for (const std::string& text : Given("set")) {
    const auto [name, value] = SplitSetting(text);
    if (std::none_of(catalog.begin(), catalog.end(),
                     [&name = name](const auto& spec) { return HasSetting(spec, name); })) {
      Fail(absl::StrCat("--set ", text, ": no method has a setting ", name));
    }
    settings[name] = ParseValue(value);
  }
  return settings;
}

std::map<std::string, methods::Hyperparameters> Flags::SettingsByMethod() const {
  std::map<std::string, methods::Hyperparameters> settings;
  for (const std::string& text : Given("set")) {
    const auto [key, value] = SplitSetting(text);
    if (!absl::StrContains(key, ".")) Fail(absl::StrCat("--set ", text, ": names no method"));
    const std::pair<std::string, std::string> parts = absl::StrSplit(key, absl::MaxSplits('.', 1));
    const auto& [method, name] = parts;
    if (!HasSetting(SpecOf(method), name)) {
      Fail(absl::StrCat("--set ", text, ": ", method, " has no setting ", name));
    }
    settings[method][name] = ParseValue(value);
  }
  return settings;
}

uint64_t ParseSeed(const std::string& text) {
  uint64_t seed;
  if (!absl::SimpleAtoi(text, &seed)) Fail(absl::StrCat("seed ", text, ": not an integer"));
  return seed;
}

methods::MethodSpec SpecOf(const std::string& method) {
  for (const methods::MethodSpec& spec : job::Catalog()) {
    if (spec.name == method) return spec;
  }
  Fail(absl::StrCat("no method ", method));
}

std::string DataFolder() {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return folder != nullptr ? folder : ACCLIMATE_SOURCE_DIR "/../shared/data";
}

std::string DataFile(const std::string& name) { return absl::StrCat(DataFolder(), "/", name); }

std::shared_ptr<io::MappedFile> OpenFile(const std::string& path) {
  return Must(io::MappedFile::Open(path));
}

std::map<std::string, at::Tensor> ReadTensors(const std::string& path) {
  return Must(io::ReadSafetensors(OpenFile(path))).tensors;
}

void WriteTensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors) {
  Must(io::WriteSafetensors(path, tensors));
}

void WriteJson(const std::string& path, const nlohmann::json& document, int indent) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << document.dump(indent) << "\n";
  if (!file.flush()) Fail(absl::StrCat("cannot write ", path));
}

Outcome RunOrFail(const job::RunSpec& spec, bool print_warnings) {
  std::filesystem::create_directories(spec.output_directory);
  QuietObserver observer(print_warnings);
  const auto result = job::Run(spec, observer);
  if (!result.ok()) {
    Fail(absl::StrCat(spec.method, " into ", spec.output_directory, ": ",
                      result.status().ToString()));
  }
  std::ifstream file(spec.output_directory + "/report.json");
  Outcome outcome{result->metrics, nlohmann::json::parse(file), 0};
  outcome.seconds = outcome.report["seconds"]["training"].get<double>();
  return outcome;
}

Outcome RunVariant(const Flags& flags, const std::string& variant, const std::string& seed,
                   job::RunSpec spec) {
  const methods::MethodSpec method = SpecOf(spec.method);
  for (const auto& [name, value] : flags.Settings()) {
    if (HasSetting(method, name)) spec.hyperparameters[name] = value;
  }
  spec.seed = ParseSeed(seed);
  spec.threads = static_cast<int>(flags.Integer("threads"));
  spec.output_directory = absl::StrCat(flags.Text("out"), "/", variant, "-", seed);
  return RunOrFail(spec);
}

Spread MeanAndSpread(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean) / count;
  return {mean, std::sqrt(squares)};
}

void ResultTable::Add(const std::string& variant, const std::string& name, double value) {
  values_[variant][name].push_back(value);
}

void ResultTable::Print() const {
  for (const auto& [variant, columns] : values_) {
    std::printf("%-14s", variant.c_str());
    for (const auto& [name, values] : columns) {
      const Spread spread = MeanAndSpread(values);
      std::printf("  %s %.4g +- %.2g", name.c_str(), spread.mean, spread.deviation);
    }
    std::printf("\n");
  }
}

}  // namespace acclimate::bench
