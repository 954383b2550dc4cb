// What a job costs beside its training steps: looks, statistics, views, files. Each row is
// the core seconds of a whole job against those of its steps alone, driven by the same loop without
// anything around it, or, for TENT, written out; both in this run, on one thread. Random images,
// fresh weights.
//
//   trust_cost [--rows dann32,dann64,beside64,tent32] [--scale 0.1] [--out DIR]
//
// dann32 and dann64 are the default DANN job on ResNet-18, scaled down: of 2000 steps of 64 + 64
// samples, 2000 target and 20000 source samples this share. What costs the same for any length of a
// run weighs more so than in the real one.
#include <ATen/ATen.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "core/losses/entropy.h"
#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/runtime/blas.h"
#include "core/runtime/large_blocks.h"
#include "core/train/optimizer.h"
#include "core/train/trainer.h"
#include "tests/bench/accuracy_run.h"
#include "tests/bench/job_files.h"

namespace acclimate::bench {
namespace {

constexpr int64_t kDefaultSteps = 2000, kDefaultTarget = 2000, kDefaultSource = 20000;

struct Usage {
  double seconds;
  int64_t faults;
};

Usage UsageNow() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_minflt};
}

Usage UsageOf(const std::function<void()>& work) {
  const Usage before = UsageNow();
  work();
  const Usage after = UsageNow();
  return {after.seconds - before.seconds, after.faults - before.faults};
}

model::ArchitectureOptions ResNet18(int64_t side) { return {"resnet18", {3, side, side}, 10}; }

// Core seconds of a step of DANN's task alone.
double DannStep(const JobFiles& files, int64_t side, int64_t batch_size, bool augment,
                int64_t timed_steps) {
  const auto model = Must(model::BuildArchitecture(ResNet18(side)));
  const std::vector<data::Dataset> sources = {Must(data::Dataset::Read(OpenFile(files.source)))};
  const data::Dataset target = Must(data::Dataset::Read(OpenFile(files.target)));
  const methods::MethodEntry& entry = *methods::FindMethod("dann");
  methods::Hyperparameters given = {{"batch_size", batch_size}, {"steps", int64_t{1000}}};
  if (!augment) given["augment"] = std::string("none");
  const methods::ExtraInputs no_inputs;
  const auto task = Must(entry.make_task(
      {*model, sources, target, at::kCPU,
       methods::Settings(Must(methods::ResolveHyperparameters(entry.spec, given))), no_inputs}));
  train::Trainer trainer(*task, *model, sources, target, {}, {});
  train::StopSignal stop([] { return train::Directive::kContinue; });
  Must(trainer.RunTo(1, stop));
  return UsageOf([&] { Must(trainer.RunTo(1 + timed_steps, stop)); }).seconds /
         static_cast<double>(timed_steps);
}

// Core seconds of one pass of TENT, written out.
double TentPass(const JobFiles& files, int64_t side, int64_t batch_size) {
  const auto model = Must(model::BuildArchitecture(ResNet18(side)));
  const data::Dataset target = Must(data::Dataset::Read(OpenFile(files.target)));
  train::ParameterGroup group;
  for (const model::Parameter& parameter : model->parameters()) {
    parameter.tensor.requires_grad_(parameter.batch_norm);
    if (parameter.batch_norm) group.parameters.push_back({parameter.name, parameter.tensor});
  }
  train::OptimizerOptions options;
  options.kind = train::OptimizerOptions::Kind::kAdam;
  options.learning_rate = 1e-3;
  const auto optimizer = train::MakeOptimizer(options, {group});
  return UsageOf([&] {
           for (int64_t i = 0; i + batch_size <= target.size(); i += batch_size) {
             const at::Tensor inputs = target.Slice(i, i + batch_size, at::kCPU).inputs;
             const at::Tensor logits = model->Forward(inputs, model::Mode::kBatchStatistics).logits;
             optimizer->ZeroGradients();
             losses::MeanEntropy(logits).backward();
             optimizer->Step();
           }
         })
      .seconds;
}

class Rows {
 public:
  Rows(std::string folder, double scale) : folder_(std::move(folder)), scale_(scale) {}

  void DefaultDann(int64_t side) {
    const int64_t steps = Scaled(kDefaultSteps);
    const JobFiles files = WriteJobFiles(absl::StrCat(folder_, "/dann", side), ResNet18(side),
                                         Scaled(kDefaultSource), Scaled(kDefaultTarget));
    const int64_t timed = std::max<int64_t>(steps / 10, 5);
    const auto step = [&] { return DannStep(files, side, 64, /*augment=*/true, timed); };
    const double before = step();
    const Usage job = Job("dann", files, {{"steps", steps}});
    const double after = step();
    const double in_steps = static_cast<double>(steps) * (before + after) / 2;
    Print(absl::StrCat("dann", side), absl::StrCat("DANN ResNet-18 ", side, "x", side), in_steps,
          job, "<= 1.1");
  }

  void Beside(int64_t side) {
    constexpr int64_t kSteps = 20, kBatch = 32;
    const JobFiles files =
        WriteJobFiles(absl::StrCat(folder_, "/beside", side), ResNet18(side), 1000, 256);
    const double before = DannStep(files, side, kBatch, /*augment=*/false, kSteps / 2);
    const Usage job = Job("dann", files,
                          {{"steps", kSteps},
                           {"batch_size", kBatch},
                           {"selection", std::string("last")},
                           {"guard", std::string("off")},
                           {"augment", std::string("none")}});
    const double after = DannStep(files, side, kBatch, /*augment=*/false, kSteps / 2);
    const double step = (before + after) / 2;
    Print(absl::StrCat("beside", side),
          absl::StrCat("DANN ", side, "x", side, " 32+32, 20 steps, nothing chosen"), kSteps * step,
          job, "-");
    std::printf("  beside its steps: %.2f s, %.1f steps' worth\n", job.seconds - kSteps * step,
                job.seconds / step - kSteps);
  }

  void Tent(int64_t side) {
    constexpr int64_t kSamples = 2000;
    const JobFiles files =
        WriteJobFiles(absl::StrCat(folder_, "/tent", side), ResNet18(side), 100, kSamples);
    TentPass(files, side, 200);
    const double before = TentPass(files, side, 200);
    const Usage job =
        Job("tent", files, {{"selection", std::string("last")}, {"guard", std::string("off")}});
    const double after = TentPass(files, side, 200);
    Print(absl::StrCat("tent", side),
          absl::StrCat("TENT ResNet-18 ", side, "x", side, ", 2000 images"), (before + after) / 2,
          job, "<= 1.5");
  }

  void PrintJson() const { std::printf("%s\n", ratios_.dump().c_str()); }

 private:
  void Print(const std::string& key, const std::string& title, double steps_seconds,
             const Usage& job, const char* bar) {
    const double ratio = job.seconds / steps_seconds;
    std::printf("%-44s %9.2f %9.2f %7.2f   %-8s %8.0f\n", title.c_str(), steps_seconds, job.seconds,
                ratio, bar, static_cast<double>(job.faults) / job.seconds);
    std::fflush(stdout);
    ratios_[key] = std::round(1000 * ratio) / 1000;
  }

  int64_t Scaled(int64_t count) const { return std::llround(static_cast<double>(count) * scale_); }

  Usage Job(const std::string& method, const JobFiles& files,
            const methods::Hyperparameters& settings) const {
    return UsageOf([&] {
      RunOrFail(JobSpec(method, files, absl::StrCat(folder_, "/job"), settings),
                /*print_warnings=*/false);
    });
  }

  const std::string folder_;
  const double scale_;
  nlohmann::json ratios_ = nlohmann::json::object();  // the last line of the output
};

int Main(int argc, char** argv) {
  const Flags flags(
      argc, argv,
      {{"rows", "dann32,dann64,beside64,tent32"}, {"scale", "0.1"}, {"out", "/tmp/trust_cost"}});
  runtime::KeepLargeBlocks();  // as the worker does
  runtime::ConfigureThreads(1);
  Rows rows(flags.Text("out"), flags.Number("scale"));
  std::printf("%-44s %9s %9s %7s   %-8s %8s\n", "core seconds", "steps", "job", "ratio", "to reach",
              "faults/s");
  for (const std::string& row : flags.List("rows")) {
    if (row == "dann32") {
      rows.DefaultDann(32);
    } else if (row == "dann64") {
      rows.DefaultDann(64);
    } else if (row == "beside64") {
      rows.Beside(64);
    } else if (row == "tent32") {
      rows.Tent(32);
    } else {
      Fail(absl::StrCat("--rows ", row, ": no such row"));
    }
  }
  rows.PrintJson();
  return 0;
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) { return acclimate::bench::Main(argc, argv); }
