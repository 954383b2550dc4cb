// Trains source models and adapts them with each method through job::Run, on published pairs of
// domains. The target's labels are used to report, never to train or to choose.
//
//   adaptation_accuracy [--task mnist_usps] [--seeds 1,2,3] [--methods adabn,tent,shot,...]
//                       [--architecture NAME] [--source-epochs N] [--threads 1]
//                       [--set shot.beta=0.1]... [--out FOLDER] [--json FILE]
//
// Data: $ACCLIMATE_TEST_DATA or ../shared/data beside the repository. Source models and prepared
// files are kept in FOLDER and used again.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/adaptation_tasks.h"

namespace {

using acclimate::bench::AdaptationTask;
using acclimate::io::MappedFile;
using acclimate::job::RunResult;
using acclimate::job::RunSpec;
using nlohmann::json;

struct Options {
  std::vector<std::string> seeds = {"1", "2", "3"};
  std::vector<std::string> methods = {"adabn", "tent", "shot", "deep_coral", "dan", "dann"};
  std::string task = "mnist_usps";
  std::string architecture;   // empty: the task's
  int64_t source_epochs = 0;  // 0: the task's
  int threads = 1;
  std::map<std::string, acclimate::methods::Hyperparameters> set;  // by method
  std::string out = "adaptation_accuracy.out";
  std::string json_file;
};

class QuietObserver : public acclimate::job::RunObserver {
 public:
  void OnPhase(const std::string&) override {}
  void OnMetrics(const acclimate::job::Progress&, const std::map<std::string, double>&) override {}
  void OnWarning(const std::string& message) override {
    std::fprintf(stderr, "warning: %s\n", message.c_str());
  }
  void OnTrainingState(int64_t, const std::string&) override {}
  acclimate::job::Directive NextDirective() override {
    return acclimate::job::Directive::kContinue;
  }
};

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

std::shared_ptr<MappedFile> OpenFile(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file.ok()) Fail(file.status().ToString());
  return *file;
}

std::string DataFolder() {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return folder != nullptr ? folder : ACCLIMATE_SOURCE_DIR "/../shared/data";
}

acclimate::methods::HyperparameterValue ParseValue(const std::string& text) {
  int64_t integer;
  double real;
  if (absl::SimpleAtoi(text, &integer)) return integer;
  if (absl::SimpleAtod(text, &real)) return real;
  if (text == "true" || text == "false") return text == "true";
  return text;
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--seeds") {
      options.seeds = absl::StrSplit(value, ',');
    } else if (flag == "--methods") {
      options.methods = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (flag == "--task") {
      options.task = value;
    } else if (flag == "--architecture") {
      options.architecture = value;
    } else if (flag == "--source-epochs") {
      options.source_epochs = std::atoll(value.c_str());
    } else if (flag == "--threads") {
      options.threads = std::atoi(value.c_str());
    } else if (flag == "--out") {
      options.out = value;
    } else if (flag == "--json") {
      options.json_file = value;
    } else if (flag == "--set") {
      const std::pair<std::string, std::string> setting =
          absl::StrSplit(value, absl::MaxSplits('=', 1));
      const std::pair<std::string, std::string> key =
          absl::StrSplit(setting.first, absl::MaxSplits('.', 1));
      options.set[key.first][key.second] = ParseValue(setting.second);
    } else {
      Fail(absl::StrCat("unknown flag ", flag));
    }
  }
  return options;
}

struct Outcome {
  RunResult result;
  double seconds = 0;
};

Outcome RunOrFail(const RunSpec& spec) {
  std::filesystem::create_directories(spec.output_directory);
  QuietObserver observer;
  auto result = acclimate::job::Run(spec, observer);
  if (!result.ok()) Fail(absl::StrCat(spec.method, ": ", result.status().ToString()));
  std::ifstream file(spec.output_directory + "/report.json");
  const json report = json::parse(file);
  return {*std::move(result), report["seconds"]["training"].get<double>()};
}

RunSpec BaseSpec(const Options& options, const AdaptationTask& task, const std::string& method,
                 const std::string& seed) {
  RunSpec spec;
  spec.method = method;
  const auto set = options.set.find(method);
  if (set != options.set.end()) spec.hyperparameters = set->second;
  spec.seed = std::strtoull(seed.c_str(), nullptr, 10);
  spec.threads = options.threads;
  spec.mean = task.mean;
  spec.std = task.std;
  spec.output_directory =
      absl::StrCat(options.out, "/", task.name, "/", task.architecture, "-", seed, "/", method);
  return spec;
}

// The path of the source model of `seed`, trained unless it is there already.
std::string SourceModel(const Options& options, const AdaptationTask& task,
                        const std::string& seed) {
  RunSpec spec = BaseSpec(options, task, "finetune", seed);
  const std::string path = spec.output_directory + "/model.safetensors";
  if (std::filesystem::exists(path)) return path;
  spec.architecture = task.architecture;
  spec.hyperparameters["epochs"] = task.source_epochs;
  spec.target = OpenFile(task.source);
  const Outcome outcome = RunOrFail(spec);
  std::printf("seed %s  source model: %.1f s\n", seed.c_str(), outcome.seconds);
  return path;
}

AdaptationTask Prepare(const Options& options) {
  AdaptationTask task =
      acclimate::bench::PrepareTask(options.task, DataFolder(), options.out + "/data");
  if (!options.architecture.empty()) task.architecture = options.architecture;
  if (options.source_epochs > 0) task.source_epochs = options.source_epochs;
  return task;
}

bool UsesSource(const std::string& method) {
  for (const auto& known : acclimate::job::Catalog()) {
    if (known.name == method) return known.source != acclimate::methods::DataNeed::kNone;
  }
  Fail(absl::StrCat("no method ", method));
}

struct Column {
  std::vector<double> accuracies, seconds;  // by seed
};

std::pair<double, double> MeanAndSpread(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / values.size();
  for (const double value : values) squares += (value - mean) * (value - mean) / values.size();
  return {mean, std::sqrt(squares)};
}

void Print(const std::string& name, const Column& column) {
  const auto [mean, spread] = MeanAndSpread(column.accuracies);
  std::printf("%-12s %6.2f +- %5.2f   %6.1f s  ", name.c_str(), 100 * mean, 100 * spread,
              MeanAndSpread(column.seconds).first);
  for (const double accuracy : column.accuracies) std::printf(" %.2f", 100 * accuracy);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  const AdaptationTask task = Prepare(options);
  std::map<std::string, Column> columns;
  for (const std::string& seed : options.seeds) {
    const std::string source_model = SourceModel(options, task, seed);
    for (const std::string& method : options.methods) {
      RunSpec spec = BaseSpec(options, task, method, seed);
      spec.checkpoint = OpenFile(source_model);
      if (UsesSource(method)) spec.sources = {OpenFile(task.source)};
      spec.target = OpenFile(task.target);
      spec.evaluation = OpenFile(task.evaluation);
      const Outcome outcome = RunOrFail(spec);
      columns[method].accuracies.push_back(outcome.result.metrics.at("accuracy"));
      columns[method].seconds.push_back(outcome.seconds);
      Column& source = columns["source_only"];
      if (source.accuracies.size() < columns[method].accuracies.size()) {
        source.accuracies.push_back(outcome.result.metrics.at("source_accuracy"));
        source.seconds.push_back(0);
      }
      std::printf("seed %s  %-12s %.2f %% (source only %.2f %%), %.1f s\n", seed.c_str(),
                  method.c_str(), 100 * outcome.result.metrics.at("accuracy"),
                  100 * outcome.result.metrics.at("source_accuracy"), outcome.seconds);
    }
  }
  json document = {
      {"task", task.name}, {"architecture", task.architecture}, {"seeds", options.seeds}};
  for (const auto& [name, column] : columns) {
    Print(name, column);
    document["methods"][name] = {{"accuracy", column.accuracies}, {"seconds", column.seconds}};
  }
  if (!options.json_file.empty()) std::ofstream(options.json_file) << document.dump(2) << "\n";
  return 0;
}
