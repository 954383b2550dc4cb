// Split MNIST, class-incremental: five tasks of two digits each, learned one after the other by a
// model that is never told which task a digit comes from; accuracy on the whole test set.
//
//   continual_accuracy [--variants none,ewc,er,der++] [--seeds 1,2,3] [--architecture mlp]
//                      [--set memory_size=500]... [--threads 1] [--out FOLDER] [--json FILE]
#include <ATen/ATen.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"

namespace {

using acclimate::bench::DataFile;
using acclimate::bench::Flags;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::ReadTensors;
using acclimate::bench::ResultTable;
using acclimate::bench::RunVariant;
using acclimate::bench::WriteTensors;

constexpr int64_t kTasks = 5, kDigits = 10;

std::string TaskFile(const std::string& folder, int64_t task) {
  return absl::StrCat(folder, "/digits_", 2 * task, "_", 2 * task + 1, ".safetensors");
}

void SplitDigits(const std::string& folder) {
  const auto digits = ReadTensors(DataFile("digits/mnist_train.safetensors"));
  std::filesystem::create_directories(folder);
  for (int64_t task = 0; task < kTasks; ++task) {
    const at::Tensor rows = digits.at("labels").floor_divide(kDigits / kTasks).eq(task);
    WriteTensors(TaskFile(folder, task), {{"inputs", digits.at("inputs").index({rows})},
                                          {"labels", digits.at("labels").index({rows})}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Flags flags(argc, argv,
                    {{"variants", "none,ewc,er,der++"},
                     {"seeds", "1,2,3"},
                     {"architecture", "mlp"},
                     {"set", ""},
                     {"threads", "1"},
                     {"out", "continual_accuracy.out"},
                     {"json", ""}});
  const std::vector<std::string> seeds = flags.Seeds();
  const std::string folder = flags.Text("out");
  SplitDigits(folder);
  ResultTable table;
  for (const std::string& seed : seeds) {
    for (const std::string& strategy : flags.List("variants")) {
      acclimate::job::RunSpec spec;
      spec.method = "continual";
      spec.hyperparameters["strategy"] = strategy;
      spec.architecture = flags.Text("architecture");
      spec.num_classes = kDigits;
      for (int64_t task = 0; task + 1 < kTasks; ++task) {
        spec.sources.push_back(OpenFile(TaskFile(folder, task)));
      }
      spec.target = OpenFile(TaskFile(folder, kTasks - 1));
      spec.evaluation = OpenFile(DataFile("digits/mnist_test.safetensors"));
      const Outcome outcome = RunVariant(flags, strategy, seed, spec);
      std::printf("seed %s  %-6s %.2f %%, forgetting %.2f, %.0f s\n", seed.c_str(),
                  strategy.c_str(), 100 * outcome.metrics.at("accuracy"),
                  100 * outcome.metrics.at("forgetting"), outcome.seconds);
      table.Add(strategy, "accuracy", outcome.metrics.at("accuracy"));
      table.Add(strategy, "forgetting", outcome.metrics.at("forgetting"));
      table.Add(strategy, "seconds", outcome.seconds);
    }
  }
  table.Print();
  acclimate::bench::WriteJson(
      flags.Text("json"),
      {{"task", "split_mnist"}, {"seeds", seeds}, {"variants", table.values()}});
  return 0;
}
