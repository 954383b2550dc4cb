// Makes core/selection/estimate_bank.csv: what the estimators of accuracy said of many models, and
// what was true. Two commands:
//
//   estimate_bank runs [--tasks gas1_gas2,digits_blurred,...] [--methods dann,tent,...] [--seed 1]
//                      [--share 0.2] [--target-samples 2000] [--out FOLDER]
//
// trains source models, adapts each with every method, and keeps the outputs of the source model,
// of its form with the target's batch-norm statistics, and of the adapted model at half and at the
// end of its run in FOLDER/outputs. What is there is not run again. Tasks: adaptation_tasks.h and
// corrupted_tasks.h. Data: $ACCLIMATE_TEST_DATA or ../shared/data beside the repository.
//
//   estimate_bank rows [--out FOLDER] [--csv core/selection/estimate_bank.csv]
//
// reads all outputs there, writes the bank, and prints how often intervals hold the truth and how
// wide they are where they rest on the other tasks alone, and on the other data sets alone.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/job/run.h"
#include "core/methods/race/racer.h"
#include "core/methods/registry.h"
#include "core/methods/target_statistics.h"
#include "core/model/checkpoint.h"
#include "core/runtime/blas.h"
#include "core/runtime/random.h"
#include "core/selection/estimate_bank.h"
#include "core/selection/estimators/estimator.h"
#include "core/selection/gain_estimate.h"
#include "core/selection/predictions.h"
#include "core/selection/source_record.h"
#include "core/train/bookmark.h"
#include "core/train/tensor_maps.h"
#include "core/train/trainer.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/adaptation_tasks.h"
#include "tests/bench/corrupted_tasks.h"

namespace {

using namespace acclimate;
using bench::Must;
using bench::OpenFile;
using bench::ParseSeed;
using selection::BankRow;
using selection::EstimateBank;
using selection::Knowledge;

bench::AdaptationTask Prepare(const std::string& name, const std::string& out) {
  const std::vector<std::string> corrupted = bench::CorruptedTaskNames();
  const bool made = std::count(corrupted.begin(), corrupted.end(), name) > 0;
  return made ? bench::PrepareCorruptedTask(name, bench::DataFolder(), out + "/made")
              : bench::PrepareTask(name, bench::DataFolder(), out + "/made");
}

std::string Kind(const std::string& task, const data::Dataset& dataset) {
  const size_t dimensions = dataset.sample_shape().size();
  if (dimensions == 3) return "image";
  if (dimensions == 2) return "series";
  const bool words =
      task.rfind("reviews", 0) == 0 || task.rfind("books", 0) == 0 || task.rfind("kitchen", 0) == 0;
  return words ? "text" : "table";
}

// A task with its data, ready to run.
struct World {
  bench::AdaptationTask task;
  std::string kind;
  std::vector<data::Dataset> sources, held_out, target;  // one each; the target without labels
  at::Tensor truth;                                      // of the target, for the outputs alone
  std::shared_ptr<io::MappedFile> model;
};

World MakeWorld(const std::string& name, const std::string& seed, int64_t target_samples,
                const std::string& out) {
  World world;
  world.task = Prepare(name, out);
  const data::Dataset source = bench::LoadDomain(world.task.source, world.task);
  world.kind = Kind(name, source);
  const std::string model =
      absl::StrCat(out, "/", std::filesystem::path(world.task.source).stem().string(), "-",
                   world.task.architecture, "-", seed);
  world.model = OpenFile(bench::SourceModel(world.task, seed, model));
  bench::SplitSource split = bench::HoldOut(source);
  world.sources = std::move(split.sources);
  world.held_out = std::move(split.held_out);
  const data::Dataset target = selection::Sample(
      bench::LoadDomain(world.task.evaluation, world.task), target_samples, 2, true);
  world.truth = target.labels();
  world.target.push_back(target.Subset(at::arange(target.size(), at::kLong), /*labels=*/false));
  return world;
}

// One method on one task.
void RunMethod(const World& world, const std::string& method, const std::string& seed, double share,
               const std::string& prefix) {
  train::StopSignal stop([] { return train::Directive::kContinue; });
  runtime::SeedEverything(ParseSeed(seed));
  model::LoadOptions load;
  load.sample_shape = world.target[0].sample_shape();
  std::unique_ptr<model::Model> model = Must(model::LoadCheckpoint(world.model, load));
  const methods::MethodEntry& entry = *methods::FindMethod(method);
  const bool takes_source = entry.spec.source != methods::DataNeed::kNone;
  const absl::optional<selection::SourceRecord> record = selection::ReadRecord(model->metadata());
  const auto keep = [&](const std::string& form) {
    const std::string path = absl::StrCat(prefix, form, ".safetensors");
    if (std::filesystem::exists(path)) return;
    const selection::Predictions target =
        Must(selection::Predict(*model, world.target[0], at::kCPU, stop));
    const selection::Predictions held_out =
        Must(selection::Predict(*model, world.held_out[0], at::kCPU, stop));
    std::map<std::string, at::Tensor> outputs = {{"logits", target.logits},
                                                 {"truth", world.truth},
                                                 {"held_out_logits", held_out.logits},
                                                 {"held_out_labels", held_out.labels}};
    if (record) {
      outputs["record"] = at::tensor({record->accuracy, record->temperature, record->confidence,
                                      record->threshold, static_cast<double>(record->samples)},
                                     at::kDouble);
    }
    bench::WriteTensors(path, outputs);
    std::printf("%s true accuracy %.4f\n", path.c_str(),
                target.logits.argmax(1).eq(world.truth).to(at::kDouble).mean().item<double>());
  };
  keep("-source");
  const train::TensorMap original = train::Copies(model->StateDict());
  if (!model->batch_norm_layers().empty()) {
    Must(methods::RecomputeStatistics(*model, world.target[0], at::kCPU, stop));
    keep("-statistics");
    Must(model->LoadStateDict(original));
  }
  if (entry.spec.needs_batch_norm && model->batch_norm_layers().empty()) return;
  const methods::ExtraInputs no_inputs;
  const methods::MethodContext context = {
      *model,
      world.sources,
      world.target[0],
      at::kCPU,
      methods::Settings(methods::ShareOfPlan(entry.spec, world.sources, world.target[0], share)),
      no_inputs};
  std::unique_ptr<train::Task> task = Must(entry.make_task(context));
  train::TrainerOptions options;
  options.seed = ParseSeed(seed);
  const std::vector<data::Dataset> none;
  train::Trainer trainer(*task, *model, takes_source ? world.sources : none, world.target[0],
                         options, {});
  for (const int64_t half : {1, 2}) {
    const absl::Status ran = trainer.RunTo(task->plan().total_steps * half / 2, stop);
    if (!ran.ok()) {
      std::printf("%s: %s\n", prefix.c_str(), ran.ToString().c_str());
      return;
    }
    const train::Bookmark bookmark(*model, *task, at::kCPU);
    Must(task->Preview(world.target[0], stop));
    keep(absl::StrCat("-", method, half));
    Must(bookmark.Return());
  }
}

void Runs(const bench::Flags& flags) {
  const std::string out = flags.Text("out"), seed = flags.Text("seed");
  std::filesystem::create_directories(out + "/outputs");
  for (const std::string& name : flags.List("tasks")) {
    const World world = MakeWorld(name, seed, flags.Integer("target-samples"), out);
    const std::string prefix = absl::StrCat(out, "/outputs/", name, "-", world.kind, "-", seed);
    for (const std::string& method : flags.List("methods")) {
      if (std::filesystem::exists(absl::StrCat(prefix, "-", method, "2.safetensors"))) continue;
      RunMethod(world, method, seed, flags.Number("share"), prefix);
    }
  }
}

using Outputs = std::map<std::string, at::Tensor>;

std::filesystem::path SourceOutputs(const std::filesystem::path& path) {
  const std::vector<std::string> name = absl::StrSplit(path.stem().string(), '-');
  return path.parent_path() /
         absl::StrCat(name[0], "-", name[1], "-", name[2], "-source.safetensors");
}

selection::Predictions HeldOut(const Outputs& outputs) {
  return {at::Tensor(), outputs.at("held_out_logits"), outputs.at("held_out_labels")};
}

absl::optional<selection::SourceRecord> RecordOf(const Outputs& outputs) {
  const auto record = outputs.find("record");
  if (record == outputs.end()) return absl::nullopt;
  const double* const values = record->second.data_ptr<double>();
  return selection::SourceRecord{values[0], values[1], values[2], values[3],
                                 static_cast<int64_t>(values[4])};
}

// What one file of outputs says, with each kind of knowledge that its model may have at home.
std::vector<BankRow> RowsOf(const std::filesystem::path& path) {
  const std::vector<std::string> name = absl::StrSplit(path.stem().string(), '-');
  const Outputs outputs = bench::ReadTensors(path.string());
  const Outputs source = bench::ReadTensors(SourceOutputs(path).string());
  const at::Tensor logits = outputs.at("logits");
  const double truth =
      logits.argmax(1).eq(outputs.at("truth")).to(at::kDouble).mean().item<double>();
  const absl::optional<selection::SourceRecord> record = RecordOf(source);
  std::vector<BankRow> rows;
  const auto add = [&](const absl::optional<selection::Predictions>& seen,
                       const absl::optional<selection::SourceRecord>& recorded) {
    const selection::Evidence evidence = selection::EvidenceOf(logits, seen, recorded);
    BankRow row = selection::AsRow(evidence, selection::EstimatesOf(evidence));
    row.task = name[0];
    row.kind = name[1];
    row.method = name[3];
    row.role = row.method == "source" || row.method == "statistics" ? "source" : "adapted";
    row.truth = truth;
    rows.push_back(std::move(row));
  };
  add(HeldOut(outputs), record);
  if (record && name[3] == "source") add(absl::nullopt, record);
  add(absl::nullopt, absl::nullopt);
  return rows;
}

struct Coverage {
  int64_t rows = 0, held = 0;
  std::vector<double> widths, errors;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const std::string& name, const Coverage& coverage) {
  std::printf("%-44s %5ld rows  %5.1f %% held  median width %5.1f  median error %5.1f\n",
              name.c_str(), static_cast<long>(coverage.rows),
              100.0 * static_cast<double>(coverage.held) / static_cast<double>(coverage.rows),
              100 * Median(coverage.widths), 100 * Median(coverage.errors));
}

// `left_out`: of a task, the beginning of the names of those that its intervals do not rest on.
void PrintCoverage(const EstimateBank& bank, const std::string& title,
                   const std::function<std::string(const std::string&)>& left_out) {
  std::map<std::string, EstimateBank> others;
  std::map<std::string, Coverage> groups;
  for (const BankRow& row : bank.rows()) {
    const std::string prefix = left_out(row.task);
    if (others.count(prefix) == 0) others.emplace(prefix, bank.Without(prefix));
    const selection::AccuracyInterval interval = others.at(prefix).IntervalFor(row);
    const std::string knowledge = row.knowledge == Knowledge::kHeldOut  ? "held-out source"
                                  : row.knowledge == Knowledge::kRecord ? "record alone"
                                                                        : "nothing of home";
    std::vector<std::string> names = {absl::StrCat(knowledge, ", ", row.role),
                                      absl::StrCat(knowledge, ", all"),
                                      absl::StrCat(knowledge, ", ", row.kind)};
    if (row.knowledge != Knowledge::kNothing && row.accuracy_source - row.estimate <= 0.03) {
      names.push_back(absl::StrCat(knowledge, ", drop <= 3"));
    }
    for (const std::string& name : names) {
      Coverage& group = groups[name];
      ++group.rows;
      if (row.truth >= interval.low - 1e-9 && row.truth <= interval.high + 1e-9) ++group.held;
      group.widths.push_back(interval.high - interval.low);
      group.errors.push_back(std::abs(interval.median - row.truth));
    }
  }
  std::printf("%s\n", title.c_str());
  for (const auto& [name, coverage] : groups) Print("  " + name, coverage);
}

// Of EstimateGain(), over all adapted models.
void PrintGains(const std::vector<std::filesystem::path>& paths) {
  int64_t models = 0, right = 0, said = 0, right_of_said = 0;
  for (const std::filesystem::path& path : paths) {
    const std::vector<std::string> name = absl::StrSplit(path.stem().string(), '-');
    if (name[3] == "source") continue;
    const Outputs source = bench::ReadTensors(SourceOutputs(path).string()),
                  adapted = bench::ReadTensors(path.string());
    const auto accuracy = [](const Outputs& outputs) {
      return outputs.at("logits").argmax(1).eq(outputs.at("truth")).to(at::kDouble).mean();
    };
    const double truth = (accuracy(adapted) - accuracy(source)).item<double>();
    if (std::abs(truth) < 0.01) continue;
    const selection::GainEstimate gain = selection::EstimateGain(
        source.at("logits"), HeldOut(source), adapted.at("logits"), HeldOut(adapted));
    const bool agrees = (gain.value > 0) == (truth > 0);
    ++models;
    if (agrees) ++right;
    if (std::abs(gain.value) < 1.645 * gain.standard_error) continue;
    ++said;
    if (agrees) ++right_of_said;
  }
  std::printf(
      "sign of the gain (of a point or more): right for %ld of %ld models; where it is beyond its "
      "sampling error %ld of %ld\n",
      static_cast<long>(right), static_cast<long>(models), static_cast<long>(right_of_said),
      static_cast<long>(said));
}

void Rows(const bench::Flags& flags) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(flags.Text("out") + "/outputs")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<BankRow> rows;
  for (const std::filesystem::path& path : paths) {
    for (BankRow& row : RowsOf(path)) rows.push_back(std::move(row));
  }
  const std::string csv = selection::ToCsv(rows);
  std::ofstream(flags.Text("csv")) << csv;
  const EstimateBank bank = Must(EstimateBank::Parse(csv));
  PrintCoverage(bank, "leave one task out", [](const std::string& task) { return task; });
  PrintCoverage(bank, "leave one data set out",
                [](const std::string& task) { return task.substr(0, task.find('_')); });
  PrintGains(paths);
}

}  // namespace

int main(int argc, char** argv) {
  runtime::ReexecWithRightBlas(argv);
  runtime::ConfigureThreads(1);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "runs") {
    Runs(bench::Flags(argc - 1, argv + 1,
                      {{"tasks", "gas1_gas2"},
                       {"methods", "dann,mcc,deep_coral,tent,shot"},
                       {"seed", "1"},
                       {"share", "0.2"},
                       {"target-samples", "2000"},
                       {"out", "estimate_bank.out"}}));
  } else if (command == "rows") {
    Rows(bench::Flags(argc - 1, argv + 1,
                      {{"out", "estimate_bank.out"}, {"csv", "core/selection/estimate_bank.csv"}}));
  } else {
    bench::Fail("usage: estimate_bank runs|rows [flags]; see estimate_bank.cc");
  }
  return 0;
}
