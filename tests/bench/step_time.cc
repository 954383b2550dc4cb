// The time of training steps: real tasks driven by the trainer, steps only. Arguments: the number
// of threads (1), and "bf16" for steps in that precision, or "plain" for the eager loop of
// plain_loop.h instead. Each line of standard input is a row and a number of steps, "dann lenet 1
// 28 64 5": method, architecture or a checkpoint's path with a slash, channels, size of the image,
// samples of each domain in a batch, steps. The methods "index" and "dataloader" are batches alone;
// of "dann-job" and "tent-job" a step is a whole job, from files to files (Jobs). Each answer is
// one JSON line with the seconds of wall clock and of processor time a step, and the process's peak
// memory. tests/bench/steps has the table of rows.
#include <ATen/ATen.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "core/data/sampler.h"
#include "core/methods/method.h"
#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/model/checkpoint.h"
#include "core/runtime/blas.h"
#include "core/runtime/large_blocks.h"
#include "core/runtime/precision.h"
#include "core/runtime/random.h"
#include "core/train/trainer.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/job_files.h"
#include "tests/bench/plain_loop.h"

namespace {

using namespace acclimate;

struct Row {
  std::string method, architecture;
  int64_t channels, size, batch;
};

struct Arguments {
  int threads = 1;
  bool plain = false;
  at::ScalarType precision = at::kFloat;
};

data::Dataset Images(const Row& row, bool labels, const char* name) {
  const int64_t samples = 4 * row.batch;
  return data::Dataset::FromTensors(at::randn({samples, row.channels, row.size, row.size}),
                                    labels ? at::randint(10, {samples}, at::kLong) : at::Tensor(),
                                    name)
      .value();
}

class OwnRun {
 public:
  OwnRun(const Row& row, const Arguments& arguments) : target_(Images(row, false, "target")) {
    const methods::MethodEntry& entry = *methods::FindMethod(row.method);
    if (entry.spec.source == methods::DataNeed::kRequired) {
      sources_.push_back(Images(row, true, "source"));
    }
    const std::vector<int64_t> shape = {row.channels, row.size, row.size};
    model_ = row.architecture.find('/') == std::string::npos
                 ? model::BuildArchitecture({row.architecture, shape, 10}).value()
                 : model::LoadCheckpoint(bench::OpenFile(row.architecture), {"", shape}).value();
    model_->set_precision(arguments.precision);
    // Momentum, rate and augmentation as plain_steps.py has them.
    const methods::Hyperparameters wanted = {{"batch_size", row.batch},
                                             {"steps", int64_t{1000000}},
                                             {"epochs", int64_t{100000}},
                                             {"augment", std::string("none")},
                                             {"learning_rate", 0.001}};
    methods::Hyperparameters given;
    for (const methods::HyperparameterSpec& known : entry.spec.hyperparameters) {
      if (const auto it = wanted.find(known.name); it != wanted.end()) given.insert(*it);
    }
    task_ = entry
                .make_task({*model_, sources_, target_, at::kCPU,
                            methods::Settings(ResolveHyperparameters(entry.spec, given).value()),
                            extra_})
                .value();
    trainer_ = std::make_unique<train::Trainer>(*task_, *model_, sources_, target_,
                                                train::TrainerOptions(), train::TrainerHooks());
  }

  void Step(int64_t steps) {
    const absl::Status status = trainer_->RunTo(trainer_->step() + steps, stop_);
    if (status.ok()) return;
    std::cerr << status << "\n";
    std::exit(1);
  }

 private:
  std::vector<data::Dataset> sources_;
  data::Dataset target_;
  std::unique_ptr<model::Model> model_;
  methods::ExtraInputs extra_;
  std::unique_ptr<train::Task> task_;
  std::unique_ptr<train::Trainer> trainer_;
  train::StopSignal stop_{[] { return train::Directive::kContinue; }};
};

// Makes the given number of steps.
using Steps = std::function<void(int64_t)>;

Steps Own(const Row& row, const Arguments& arguments) {
  return [run = std::make_shared<OwnRun>(row, arguments)](int64_t steps) { run->Step(steps); };
}

// Whole jobs by their row's method, with as many samples as plain_steps.py has for them. "bare":
// nothing is chosen and nothing guarded.
struct JobOfRow {
  std::string method;
  int64_t source, target;
  methods::Hyperparameters settings;
};
const std::map<std::string, JobOfRow>& Jobs() {
  static const auto& jobs = *new std::map<std::string, JobOfRow>{
      {"dann-job", {"dann", 2000, 1000, {{"steps", int64_t{200}}}}},
      {"tent-job", {"tent", 0, 2000, {}}},
      {"tent-bare-job",
       {"tent", 0, 2000, {{"selection", std::string("last")}, {"guard", std::string("off")}}}}};
  return jobs;
}

Steps WholeJob(const Row& row, const Arguments& arguments) {
  const JobOfRow& job = Jobs().at(row.method);
  const std::string folder =
      std::filesystem::temp_directory_path() / absl::StrCat("step_time-", getpid());
  methods::Hyperparameters settings = job.settings;
  settings["batch_size"] = row.batch;
  job::RunSpec spec = bench::JobSpec(
      job.method,
      bench::WriteJobFiles(folder, {row.architecture, {row.channels, row.size, row.size}, 10},
                           job.source, job.target),
      folder + "/out", settings);
  spec.threads = arguments.threads;
  spec.precision = runtime::PrecisionName(arguments.precision);
  // The job has them mapped.
  std::filesystem::remove_all(folder);
  return [spec](int64_t jobs) {
    for (int64_t i = 0; i < jobs; ++i) bench::RunOrFail(spec, /*print_warnings=*/false);
    std::filesystem::remove_all(std::filesystem::path(spec.output_directory).parent_path());
  };
}

Steps Plain(const Row& row) {
  std::shared_ptr<bench::PlainLoop> loop =
      bench::MakePlainLoop(row.method, row.architecture, row.channels, row.size, row.batch);
  return [loop](int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) loop->Step();
  };
}

Steps Load(const Row& row) {
  struct Loader {
    data::Dataset dataset;
    data::Sampler sampler;
  };
  const int64_t samples = 4 * row.batch;
  return [loader = std::make_shared<Loader>(
              Loader{Images(row, false, "target"), data::Sampler(samples, row.batch, /*seed=*/1)})](
             int64_t batches) {
    for (int64_t i = 0; i < batches; ++i) {
      loader->dataset.Gather(loader->sampler.Next(), at::kCPU);
    }
  };
}

Steps Make(const Row& row, const Arguments& arguments) {
  if (row.method == "index" || row.method == "dataloader") return Load(row);
  if (arguments.plain) return Plain(row);
  return Jobs().count(row.method) > 0 ? WholeJob(row, arguments) : Own(row, arguments);
}

double PeakMebibytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  runtime::ReexecWithRightBlas(argv);
  Arguments arguments;
  if (argc > 1) arguments.threads = std::atoi(argv[1]);
  const std::string second = argc > 2 ? argv[2] : "";
  arguments.plain = second == "plain";
  if (second == "bf16") arguments.precision = at::kBFloat16;
  if (!arguments.plain) runtime::KeepLargeBlocks();  // as the worker does
  runtime::ConfigureThreads(arguments.threads);
  runtime::SeedEverything(1);
  std::map<std::string, Steps> runs;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    Row row;
    int64_t steps;
    words >> row.method >> row.architecture >> row.channels >> row.size >> row.batch >> steps;
    Steps& run = runs[line.substr(0, line.rfind(' '))];
    if (run == nullptr) run = Make(row, arguments);
    const auto begin = std::chrono::steady_clock::now();
    const double processor_begin = ProcessorSeconds();
    run(steps);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    const double processor_seconds = ProcessorSeconds() - processor_begin;
    std::printf("{\"wall_seconds\": %.6f, \"processor_seconds\": %.6f, \"peak_mebibytes\": %.0f}\n",
                wall.count() / static_cast<double>(steps),
                processor_seconds / static_cast<double>(steps), PeakMebibytes());
    std::fflush(stdout);
  }
}
