// MNIST under label shift: a source model, and targets whose class shares are drawn from a
// Dirichlet distribution. One half of MNIST test is the held-out source, targets are resampled from
// the other. For every estimator: the distance of the estimated prior from that of the target
// (L1), and the accuracy before and after. Exits with 1 when a draw is off by more than 0.05 or not
// better than uncorrected.
//
//   label_shift_accuracy [--draws 20] [--samples 2000] [--concentration 0.1]
//                        [--estimators em,rlls,bbse] [--calibration bias_corrected]
//                        [--architecture lenet] [--seed 1] [--out FOLDER] [--json FILE]
//
// Data: $ACCLIMATE_TEST_DATA or ../shared/data beside the repository.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"

namespace {

using acclimate::bench::DataFile;
using acclimate::bench::Flags;
using acclimate::bench::OpenFile;
using acclimate::bench::RunOrFail;
using acclimate::bench::WriteTensors;
using acclimate::job::RunSpec;
using nlohmann::json;
using TensorMap = std::map<std::string, at::Tensor>;

constexpr int64_t kClasses = 10;
constexpr double kAllowedDistance = 0.05;

TensorMap Taken(const TensorMap& data, const at::Tensor& index) {
  return {{"inputs", data.at("inputs").index_select(0, index)},
          {"labels", data.at("labels").index_select(0, index)}};
}

// `samples` indices into `labels`, classes as often as drawn from `prior`, with replacement.
at::Tensor Resampled(const at::Tensor& labels, const at::Tensor& prior, int64_t samples) {
  const at::Tensor drawn = prior.multinomial(samples, /*replacement=*/true);
  std::vector<at::Tensor> index;
  for (int64_t c = 0; c < kClasses; ++c) {
    const int64_t count = drawn.eq(c).sum().item<int64_t>();
    const at::Tensor members = labels.eq(c).nonzero().view({-1});
    index.push_back(members.index_select(0, at::randint(members.size(0), {count}, at::kLong)));
  }
  return at::cat(index);
}

RunSpec BaseSpec(const std::string& method, const std::string& output) {
  RunSpec spec;
  spec.method = method;
  spec.normalization.mean = {0.5};
  spec.normalization.std = {0.5};
  spec.seed = 1;
  spec.output_directory = output;
  return spec;
}

struct Options {
  int64_t draws = 0, samples = 0;
  double concentration = 0;
  std::vector<std::string> estimators;
  std::string calibration, architecture;
  uint64_t seed = 0;
  std::string out, json_file;
};

Options ParseOptions(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"draws", "20"},
                     {"samples", "2000"},
                     {"concentration", "0.1"},
                     {"estimators", "em,rlls,bbse"},
                     {"calibration", "bias_corrected"},
                     {"architecture", "lenet"},
                     {"seed", "1"},
                     {"out", "label_shift_accuracy.out"},
                     {"json", ""}});
  Options options;
  options.draws = flags.Integer("draws");
  options.samples = flags.Integer("samples");
  options.concentration = flags.Number("concentration");
  options.estimators = flags.List("estimators");
  options.calibration = flags.Text("calibration");
  options.architecture = flags.Text("architecture");
  options.seed = acclimate::bench::ParseSeed(flags.Text("seed"));
  options.out = flags.Text("out");
  options.json_file = flags.Text("json");
  return options;
}

// One epoch over MNIST train, kept in `folder` and used again.
std::string SourceModel(const Options& options) {
  RunSpec spec = BaseSpec("finetune", options.out + "/source-" + options.architecture);
  const std::string path = spec.output_directory + "/model.safetensors";
  if (std::filesystem::exists(path)) return path;
  spec.architecture = options.architecture;
  spec.hyperparameters["epochs"] = int64_t{1};
  spec.target = OpenFile(DataFile("digits/mnist_train.safetensors"));
  RunOrFail(spec, /*print_warnings=*/false);
  return path;
}

struct Summary {
  double worst_distance = 0, mean_distance = 0;
  double mean_before = 0, mean_after = 0, smallest_gain = 1;
  int64_t better = 0;
};

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  std::filesystem::create_directories(options.out);
  const std::string model = SourceModel(options);
  const TensorMap test = acclimate::bench::ReadTensors(DataFile("digits/mnist_test.safetensors"));
  const at::Tensor order = at::randperm(test.at("labels").size(0),
                                        at::detail::createCPUGenerator(options.seed), at::kLong);
  const int64_t half = order.size(0) / 2;
  WriteTensors(options.out + "/held_out.safetensors", Taken(test, order.narrow(0, 0, half)));
  const TensorMap pool = Taken(test, order.narrow(0, half, half));

  std::map<std::string, Summary> summaries;
  for (int64_t draw = 0; draw < options.draws; ++draw) {
    at::manual_seed(options.seed * 1000 + draw);
    const at::Tensor gamma =
        at::_standard_gamma(at::full({kClasses}, options.concentration, at::kDouble));
    const TensorMap target =
        Taken(pool, Resampled(pool.at("labels"), gamma / gamma.sum(), options.samples));
    const at::Tensor truth =
        target.at("labels").bincount({}, kClasses).to(at::kDouble) / options.samples;
    WriteTensors(options.out + "/target.safetensors", target);
    for (const std::string& estimator : options.estimators) {
      RunSpec spec = BaseSpec("label_shift", options.out + "/" + estimator);
      spec.checkpoint = OpenFile(model);
      spec.sources = {OpenFile(options.out + "/held_out.safetensors")};
      spec.target = OpenFile(options.out + "/target.safetensors");
      spec.evaluation = spec.target;
      spec.hyperparameters = {{"estimator", estimator},
                              {"calibration", options.calibration},
                              {"bootstrap", int64_t{0}}};
      const json report = RunOrFail(spec, /*print_warnings=*/false).report;
      double distance = 0;
      for (int64_t c = 0; c < kClasses; ++c) {
        const double q = report["label_shift"]["target_prior"][c];
        distance += std::abs(q - truth[c].item<double>());
      }
      const double before = report["source_only"]["accuracy"];
      const double after = report["adapted"]["accuracy"];
      std::printf("draw %2d  %-5s L1 %.4f  accuracy %.2f -> %.2f %%\n", static_cast<int>(draw),
                  estimator.c_str(), distance, 100 * before, 100 * after);
      Summary& summary = summaries[estimator];
      summary.worst_distance = std::max(summary.worst_distance, distance);
      summary.mean_distance += distance / options.draws;
      summary.mean_before += before / options.draws;
      summary.mean_after += after / options.draws;
      summary.smallest_gain = std::min(summary.smallest_gain, after - before);
      summary.better += after > before;
    }
  }
  json document = {{"task", "mnist_test resampled"}, {"samples", options.samples}};
  bool held = true;
  for (const auto& [estimator, summary] : summaries) {
    std::printf("%-5s L1 mean %.4f worst %.4f  accuracy %.2f -> %.2f %%  better on %d of %d\n",
                estimator.c_str(), summary.mean_distance, summary.worst_distance,
                100 * summary.mean_before, 100 * summary.mean_after,
                static_cast<int>(summary.better), static_cast<int>(options.draws));
    document["estimators"][estimator] = {
        {"mean_l1", summary.mean_distance},       {"worst_l1", summary.worst_distance},
        {"accuracy_before", summary.mean_before}, {"accuracy_after", summary.mean_after},
        {"smallest_gain", summary.smallest_gain}, {"draws_better", summary.better}};
    held = held && summary.worst_distance <= kAllowedDistance && summary.better == options.draws;
  }
  acclimate::bench::WriteJson(options.json_file, document);
  return held ? 0 : 1;
}
