// Trains source models and adapts them with each method through job::Run, on published pairs of
// domains. The target's labels are used to report, never to train or to choose.
//
//   adaptation_accuracy [--tasks mnist_usps,...] [--seeds 1,2,3] [--methods adabn,tent,shot,...]
//                       [--architecture NAME] [--source-epochs N] [--threads 1] [--precision auto]
//                       [--set shot.beta=0.1]... [--out FOLDER] [--json FILE]
//
// cdan+shot is a chain: shot starts from the model that cdan made. The method target_labels trains
// the same network anew on labelled samples of the target's domain, where the task has others than
// those that it adapts to and measures on. Source models are trained in fp32, whatever --precision.
//
// For each task and method: the accuracy, the estimate made without labels, the seconds of training
// and of every core over the whole run; for auto, the method that won. At the end, how the guard
// and the estimates did. Tasks: adaptation_tasks.h. Data: $ACCLIMATE_TEST_DATA or ../shared/data
// beside the repository. Source models and prepared files are kept in FOLDER and used again.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/adaptation_tasks.h"

namespace {

using acclimate::bench::AdaptationTask;
using acclimate::bench::Flags;
using acclimate::bench::MeanAndSpread;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::RunOrFail;
using acclimate::bench::Spread;
using acclimate::job::RunSpec;
using nlohmann::json;

constexpr char kTargetLabels[] = "target_labels";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  // null in JSON

struct Options {
  std::vector<std::string> tasks, seeds, methods;
  std::string architecture;   // empty: the task's
  int64_t source_epochs = 0;  // 0: the task's
  int threads = 1;
  std::string precision;
  std::map<std::string, acclimate::methods::Hyperparameters> set;  // by method
  std::string out, json_file;
};

Options ParseOptions(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"tasks", "mnist_usps"},
                     {"seeds", "1,2,3"},
                     {"methods", "adabn,tent,shot,deep_coral,dan,dann"},
                     {"architecture", ""},
                     {"source-epochs", "0"},
                     {"threads", "1"},
                     {"precision", "auto"},
                     {"set", ""},
                     {"out", "adaptation_accuracy.out"},
                     {"json", ""}});
  Options options;
  options.tasks = flags.List("tasks");
  options.seeds = flags.Seeds();
  options.methods = flags.List("methods");
  options.architecture = flags.Text("architecture");
  options.source_epochs = flags.Integer("source-epochs");
  options.threads = static_cast<int>(flags.Integer("threads"));
  options.precision = flags.Text("precision");
  options.set = flags.SettingsByMethod();
  options.out = flags.Text("out");
  options.json_file = flags.Text("json");
  return options;
}

RunSpec BaseSpec(const Options& options, const AdaptationTask& task, const std::string& method,
                 const std::string& seed) {
  RunSpec spec;
  spec.method = method;
  const auto set = options.set.find(method);
  if (set != options.set.end()) spec.hyperparameters = set->second;
  spec.seed = acclimate::bench::ParseSeed(seed);
  spec.threads = options.threads;
  spec.precision = options.precision;
  spec.normalization.mean = task.mean;
  spec.normalization.std = task.std;
  spec.output_directory =
      absl::StrCat(options.out, "/", task.name, "/", task.architecture, "-", seed, "/", method);
  return spec;
}

// Fresh weights trained on `labelled` as the source model is.
RunSpec FreshSpec(const Options& options, const AdaptationTask& task, const std::string& seed,
                  const std::string& labelled) {
  RunSpec spec = BaseSpec(options, task, "finetune", seed);
  spec.architecture = task.architecture;
  spec.precision = "fp32";
  spec.hyperparameters["epochs"] = task.source_epochs;
  spec.target = OpenFile(labelled);
  return spec;
}

// The path of the source model of `seed`, trained unless it is there already.
std::string SourceModel(const Options& options, const AdaptationTask& task,
                        const std::string& seed) {
  const RunSpec spec = FreshSpec(options, task, seed, task.source);
  const std::string path = spec.output_directory + "/model.safetensors";
  if (std::filesystem::exists(path)) return path;
  const Outcome outcome = RunOrFail(spec);
  std::printf("seed %s  source model: %.1f s\n", seed.c_str(), outcome.seconds);
  return path;
}

AdaptationTask Prepare(const Options& options, const std::string& name) {
  AdaptationTask task =
      acclimate::bench::PrepareTask(name, acclimate::bench::DataFolder(), options.out + "/data");
  if (!options.architecture.empty()) task.architecture = options.architecture;
  if (options.source_epochs > 0) task.source_epochs = options.source_epochs;
  return task;
}

std::vector<std::string> Links(const std::string& chain) { return absl::StrSplit(chain, '+'); }

bool UsesSource(const std::string& method) {
  return acclimate::bench::SpecOf(method).source != acclimate::methods::DataNeed::kNone;
}

double Metric(const Outcome& outcome, const std::string& name) {
  const auto found = outcome.metrics.find(name);
  return found == outcome.metrics.end() ? kNone : found->second;
}

// Null when the report has no such entry.
json Reported(const Outcome& outcome, const std::string& pointer) {
  const json::json_pointer place(pointer);
  return outcome.report.contains(place) ? outcome.report.at(place) : json();
}

double CoreSeconds(const Outcome& outcome) {
  const json seconds = Reported(outcome, "/cost/core_seconds");
  return seconds.is_number() ? seconds.get<double>() : kNone;
}

struct Column {
  std::vector<double> accuracies, seconds, estimates, core_seconds;  // by seed; kNone without one
  std::vector<json> winners;                                         // of races; null: nobody
};

void Add(const Outcome& outcome, Column& column) {
  column.accuracies.push_back(outcome.metrics.at("accuracy"));
  column.seconds.push_back(outcome.seconds);
  column.estimates.push_back(Metric(outcome, "estimated_accuracy"));
  column.core_seconds.push_back(CoreSeconds(outcome));
  if (outcome.report.contains("race")) column.winners.push_back(Reported(outcome, "/race/winner"));
}

std::string NameOf(const json& winner) {
  return winner.is_string() ? winner.get<std::string>() : "nobody";
}

void Print(const std::string& method, const std::string& seed, const Outcome& outcome) {
  std::printf("seed %s  %-18s %.2f %% (source only %.2f %%), %.1f s", seed.c_str(), method.c_str(),
              100 * outcome.metrics.at("accuracy"), 100 * outcome.metrics.at("source_accuracy"),
              outcome.seconds);
  const double core_seconds = CoreSeconds(outcome);
  if (!std::isnan(core_seconds)) std::printf(", %.1f core s", core_seconds);
  const double estimate = Metric(outcome, "estimated_accuracy");
  if (!std::isnan(estimate)) std::printf(", estimated %.2f %%", 100 * estimate);
  if (outcome.report.contains("race")) {
    std::printf(", won by %s", NameOf(Reported(outcome, "/race/winner")).c_str());
  }
  std::printf("\n");
}

std::vector<double> Present(std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  return values;
}

// The mean of the values that are there; "-" when none is.
std::string MeanOf(const std::vector<double>& values, double unit, int decimals) {
  const std::vector<double> present = Present(values);
  if (present.empty()) return "-";
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, unit * MeanAndSpread(present).mean);
  return text;
}

void Print(const std::map<std::string, Column>& columns) {
  std::printf("%-18s %15s %9s %8s %8s  %s\n", "method", "accuracy", "estimated", "s", "core s",
              "by seed");
  for (const auto& [name, column] : columns) {
    const Spread accuracy = MeanAndSpread(column.accuracies);
    std::printf("%-18s %6.2f +- %5.2f %9s %8s %8s ", name.c_str(), 100 * accuracy.mean,
                100 * accuracy.deviation, MeanOf(column.estimates, 100, 2).c_str(),
                MeanOf(column.seconds, 1, 1).c_str(), MeanOf(column.core_seconds, 1, 1).c_str());
    for (const double value : column.accuracies) std::printf(" %.2f", 100 * value);
    if (!column.winners.empty()) std::printf("  won by");
    for (const json& winner : column.winners) std::printf(" %s", NameOf(winner).c_str());
    std::printf("\n");
  }
}

json ToJson(const Column& column) {
  json document = {{"accuracy", column.accuracies}, {"seconds", column.seconds}};
  if (!Present(column.estimates).empty()) document["estimated_accuracy"] = column.estimates;
  if (!Present(column.core_seconds).empty()) document["core_seconds"] = column.core_seconds;
  if (!column.winners.empty()) document["winner"] = column.winners;
  return document;
}

// How the guard and the estimates did, over the runs that chose among their weights.
class GuardCount {
 public:
  void Add(const Outcome& outcome) {
    if (!outcome.report.contains("selection")) return;
    const double accuracy = outcome.metrics.at("accuracy");
    const double source = outcome.metrics.at("source_accuracy");
    ++runs_;
    if (accuracy < source - 0.01) ++worse_;
    AddEstimate(Metric(outcome, "estimated_accuracy"), accuracy);
    AddEstimate(Metric(outcome, "estimated_source_accuracy"), source);
  }

  void Print() const {
    std::printf(
        "guard: %d runs, %d worse than the source by more than a point; estimates within 5 points: "
        "%d of %d\n",
        runs_, worse_, near_, estimates_);
  }

  json ToJson() const {
    return {{"runs", runs_},
            {"worse", worse_},
            {"estimates", estimates_},
            {"estimates_within_5_points", near_}};
  }

 private:
  void AddEstimate(double estimate, double accuracy) {
    if (std::isnan(estimate)) return;
    ++estimates_;
    if (std::abs(estimate - accuracy) <= 0.05) ++near_;
  }

  int runs_ = 0, worse_ = 0, estimates_ = 0, near_ = 0;
};

void TrainOnTargetLabels(const Options& options, const AdaptationTask& task,
                         const std::string& seed, Column& column) {
  if (task.labelled.empty()) {
    acclimate::bench::Fail(absl::StrCat(task.name, " has no other labelled samples of its target"));
  }
  RunSpec spec = FreshSpec(options, task, seed, task.labelled);
  spec.output_directory = BaseSpec(options, task, kTargetLabels, seed).output_directory;
  spec.evaluation = OpenFile(task.evaluation);
  const Outcome outcome = RunOrFail(spec);
  Add(outcome, column);
  std::printf("seed %s  %-18s %.2f %%, %.1f s, %.1f core s\n", seed.c_str(), kTargetLabels,
              100 * outcome.metrics.at("accuracy"), outcome.seconds, CoreSeconds(outcome));
}

// Each method of `chain` starts from the model that the one before it made, the first from the
// source model. Models of all but the last are kept and used again.
Outcome RunChain(const Options& options, const AdaptationTask& task, const std::string& chain,
                 const std::string& seed) {
  std::string checkpoint = SourceModel(options, task, seed), name;
  Outcome outcome;
  for (const std::string& method : Links(chain)) {
    absl::StrAppend(&name, name.empty() ? "" : "+", method);
    RunSpec spec = BaseSpec(options, task, method, seed);
    spec.output_directory = BaseSpec(options, task, name, seed).output_directory;
    const std::string model = spec.output_directory + "/model.safetensors";
    if (name == chain || !std::filesystem::exists(model)) {
      spec.checkpoint = OpenFile(checkpoint);
      if (UsesSource(method)) {
        for (const std::string& domain : task.domains) spec.sources.push_back(OpenFile(domain));
      }
      spec.target = OpenFile(task.target);
      spec.evaluation = OpenFile(task.evaluation);
      outcome = RunOrFail(spec);
    }
    checkpoint = model;
  }
  return outcome;
}

std::map<std::string, Column> Measure(const Options& options, const AdaptationTask& task,
                                      GuardCount& guard) {
  std::map<std::string, Column> columns;
  for (const std::string& seed : options.seeds) {
    for (const std::string& method : options.methods) {
      if (method == kTargetLabels) {
        TrainOnTargetLabels(options, task, seed, columns[method]);
        continue;
      }
      const Outcome outcome = RunChain(options, task, method, seed);
      Add(outcome, columns[method]);
      guard.Add(outcome);
      Column& source = columns["source_only"];
      if (source.accuracies.size() < columns[method].accuracies.size()) {
        source.accuracies.push_back(outcome.metrics.at("source_accuracy"));
        source.seconds.push_back(0);
      }
      Print(method, seed, outcome);
    }
  }
  return columns;
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  // A name that is wrong ends the program now, not after hours.
  for (const std::string& chain : options.methods) {
    if (chain == kTargetLabels) continue;
    for (const std::string& method : Links(chain)) acclimate::bench::SpecOf(method);
  }
  std::vector<AdaptationTask> tasks;
  for (const std::string& name : options.tasks) tasks.push_back(Prepare(options, name));
  GuardCount guard;
  json document = {{"seeds", options.seeds}};
  for (const AdaptationTask& task : tasks) {
    std::printf("%s, %s\n", task.name.c_str(), task.architecture.c_str());
    const std::map<std::string, Column> columns = Measure(options, task, guard);
    Print(columns);
    json& entry = document["tasks"][task.name];
    entry = {{"architecture", task.architecture}, {"methods", json::object()}};
    for (const auto& [name, column] : columns) entry["methods"][name] = ToJson(column);
    document["guard"] = guard.ToJson();
    // After every task, so that a later one that fails takes nothing along.
    acclimate::bench::WriteJson(options.json_file, document);
  }
  guard.Print();
  return 0;
}
