// What an audit's intervals are worth, on predictions of real jobs: how often they hold the true
// accuracy of the source model, of the returned model, and the gain, over many draws of labels.
//
//   audit_coverage [--tasks gas1_gas2,...] [--methods shot,...] [--seeds 1] [--labels 100]
//                  [--draws 2000] [--set guard=off]... [--threads 1] [--out FOLDER] [--json FILE]
//
// All labels of the target are known here; an audit sees those that are drawn.
#include <ATen/ATen.h>

#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "core/job/target_predictions.h"
#include "core/report/audit.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/adaptation_tasks.h"

namespace {

using acclimate::bench::AdaptationTask;
using acclimate::bench::DataFolder;
using acclimate::bench::Flags;
using acclimate::bench::OpenFile;
using acclimate::bench::PrepareTask;
using acclimate::bench::ReadTensors;
using acclimate::bench::ResultTable;
using acclimate::bench::RunVariant;
using acclimate::bench::SourceModel;
using acclimate::bench::SpecOf;
using acclimate::job::RunSpec;
using acclimate::job::ToModelOutputs;
using acclimate::report::Audit;
using acclimate::report::AuditInterval;
using acclimate::report::AuditLabel;
using acclimate::report::ModelOutputs;

constexpr uint32_t kDrawSeed = 11;

// The shares of the intervals that hold the truth, and half their mean width in points.
struct Coverage {
  double held = 0, half_width = 0;

  void Add(const AuditInterval& interval, double truth, int64_t draws) {
    const auto all = static_cast<double>(draws);
    held += (interval.low - 1e-9 <= truth && truth <= interval.high + 1e-9 ? 1.0 : 0.0) / all;
    half_width += 100 * (interval.high - interval.low) / 2 / all;
  }
};

double AccuracyOf(const ModelOutputs& model, const std::vector<int64_t>& truth) {
  int64_t right = 0;
  for (size_t i = 0; i < truth.size(); ++i) right += model.predicted[i] == truth[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(truth.size());
}

void Measure(const std::string& name, const std::string& folder, const std::vector<int64_t>& truth,
             const Flags& flags, ResultTable& table) {
  const auto tensors = ReadTensors(folder + "/probabilities.safetensors");
  const ModelOutputs source =
      ToModelOutputs({tensors.at("source_prediction"), tensors.at("source_confidence"), {}});
  const ModelOutputs returned = ToModelOutputs(
      {tensors.at("prediction"), std::get<0>(tensors.at("probabilities").max(1)), {}});
  const double before = AccuracyOf(source, truth), after = AccuracyOf(returned, truth);
  const int64_t draws = flags.Integer("draws");
  const auto labels = static_cast<size_t>(flags.Integer("labels"));
  std::vector<int64_t> order(truth.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(kDrawSeed);
  Coverage of_source, of_returned, of_gain;
  for (int64_t draw = 0; draw < draws; ++draw) {
    std::vector<AuditLabel> audited;
    for (size_t i = 0; i < labels; ++i) {
      std::swap(order[i], order[i + random() % (order.size() - i)]);
      audited.push_back({order[i], truth[static_cast<size_t>(order[i])]});
    }
    const Audit audit = ComputeAudit(audited, source, returned);
    of_source.Add(*audit.source, before, draws);
    of_returned.Add(audit.returned, after, draws);
    of_gain.Add(*audit.gain, after - before, draws);
  }
  const auto print = [&](const char* what, double true_value, const Coverage& coverage) {
    std::printf("%-24s %-8s true %6.2f  held %.3f  half-width %.2f\n", name.c_str(), what,
                100 * true_value, coverage.held, coverage.half_width);
    table.Add(what, "held", coverage.held);
    table.Add(what, "half_width", coverage.half_width);
  };
  print("source", before, of_source);
  print("returned", after, of_returned);
  print("gain", after - before, of_gain);
}

}  // namespace

int main(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"tasks", "gas1_gas2,gas1_gas3,coil1_coil2"},
                     {"methods", "shot,mcc"},
                     {"seeds", "1"},
                     {"labels", "100"},
                     {"draws", "2000"},
                     {"set", ""},
                     {"threads", "1"},
                     {"out", "audit_coverage.out"},
                     {"json", ""}});
  acclimate::runtime::ConfigureThreads(static_cast<int>(flags.Integer("threads")));
  ResultTable table;
  for (const std::string& name : flags.List("tasks")) {
    for (const std::string& seed : flags.Seeds()) {
      const std::string folder = absl::StrCat(flags.Text("out"), "/", name, "-", seed);
      const AdaptationTask task = PrepareTask(name, DataFolder(), folder);
      const at::Tensor labels = ReadTensors(task.target).at("labels").to(at::kLong).contiguous();
      const std::vector<int64_t> truth(labels.data_ptr<int64_t>(),
                                       labels.data_ptr<int64_t>() + labels.numel());
      for (const std::string& method : flags.List("methods")) {
        RunSpec spec;
        spec.method = method;
        spec.normalization.mean = task.mean;
        spec.normalization.std = task.std;
        spec.checkpoint = OpenFile(SourceModel(task, seed, folder + "/source"));
        if (SpecOf(method).source != acclimate::methods::DataNeed::kNone) {
          spec.sources = {OpenFile(task.source)};
        }
        spec.target = OpenFile(task.target);
        const std::string variant = absl::StrCat(name, "-", method);
        RunVariant(flags, variant, seed, spec);
        Measure(variant, absl::StrCat(flags.Text("out"), "/", variant, "-", seed), truth, flags,
                table);
      }
    }
  }
  table.Print();
  acclimate::bench::WriteJson(flags.Text("json"), table.values());
  return 0;
}
