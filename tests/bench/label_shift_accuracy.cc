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
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/io/tensor_file.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"

namespace {

using acclimate::io::MappedFile;
using acclimate::job::RunSpec;
using nlohmann::json;
using TensorMap = std::map<std::string, at::Tensor>;

constexpr int64_t kClasses = 10;
constexpr double kAllowedDistance = 0.05;

class QuietObserver : public acclimate::job::RunObserver {
 public:
  void OnPhase(const std::string&) override {}
  void OnMetrics(const acclimate::job::Progress&, const std::map<std::string, double>&) override {}
  void OnWarning(const std::string&) override {}
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

std::string DataFile(const std::string& name) {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return absl::StrCat(folder != nullptr ? folder : ACCLIMATE_SOURCE_DIR "/../shared/data",
                      "/digits/", name);
}

void Write(const std::string& path, const TensorMap& tensors) {
  const absl::Status status = acclimate::io::WriteSafetensors(path, tensors);
  if (!status.ok()) Fail(status.ToString());
}

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

json RunOrFail(const RunSpec& spec) {
  std::filesystem::create_directories(spec.output_directory);
  QuietObserver observer;
  const auto result = acclimate::job::Run(spec, observer);
  if (!result.ok()) Fail(absl::StrCat(spec.method, ": ", result.status().ToString()));
  std::ifstream file(spec.output_directory + "/report.json");
  return json::parse(file);
}

RunSpec BaseSpec(const std::string& method, const std::string& output) {
  RunSpec spec;
  spec.method = method;
  spec.mean = {0.5};
  spec.std = {0.5};
  spec.seed = 1;
  spec.output_directory = output;
  return spec;
}

struct Options {
  int64_t draws = 20, samples = 2000;
  double concentration = 0.1;
  std::vector<std::string> estimators = {"em", "rlls", "bbse"};
  std::string calibration = "bias_corrected", architecture = "lenet";
  uint64_t seed = 1;
  std::string out = "label_shift_accuracy.out", json_file;
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--draws") {
      options.draws = std::atoll(value.c_str());
    } else if (flag == "--samples") {
      options.samples = std::atoll(value.c_str());
    } else if (flag == "--concentration") {
      options.concentration = std::atof(value.c_str());
    } else if (flag == "--estimators") {
      options.estimators = absl::StrSplit(value, ',');
    } else if (flag == "--calibration") {
      options.calibration = value;
    } else if (flag == "--architecture") {
      options.architecture = value;
    } else if (flag == "--seed") {
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (flag == "--out") {
      options.out = value;
    } else if (flag == "--json") {
      options.json_file = value;
    } else {
      Fail(absl::StrCat("unknown flag ", flag));
    }
  }
  return options;
}

// One epoch over MNIST train, kept in `folder` and used again.
std::string SourceModel(const Options& options) {
  RunSpec spec = BaseSpec("finetune", options.out + "/source-" + options.architecture);
  const std::string path = spec.output_directory + "/model.safetensors";
  if (std::filesystem::exists(path)) return path;
  spec.architecture = options.architecture;
  spec.hyperparameters["epochs"] = int64_t{1};
  spec.target = OpenFile(DataFile("mnist_train.safetensors"));
  RunOrFail(spec);
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
  const TensorMap test =
      acclimate::io::ReadSafetensors(OpenFile(DataFile("mnist_test.safetensors"))).value().tensors;
  const at::Tensor order = at::randperm(test.at("labels").size(0),
                                        at::detail::createCPUGenerator(options.seed), at::kLong);
  const int64_t half = order.size(0) / 2;
  Write(options.out + "/held_out.safetensors", Taken(test, order.narrow(0, 0, half)));
  const TensorMap pool = Taken(test, order.narrow(0, half, half));

  std::map<std::string, Summary> summaries;
  for (int64_t draw = 0; draw < options.draws; ++draw) {
    torch::manual_seed(options.seed * 1000 + draw);
    const at::Tensor gamma =
        at::_standard_gamma(at::full({kClasses}, options.concentration, at::kDouble));
    const TensorMap target =
        Taken(pool, Resampled(pool.at("labels"), gamma / gamma.sum(), options.samples));
    const at::Tensor truth =
        target.at("labels").bincount({}, kClasses).to(at::kDouble) / options.samples;
    Write(options.out + "/target.safetensors", target);
    for (const std::string& estimator : options.estimators) {
      RunSpec spec = BaseSpec("label_shift", options.out + "/" + estimator);
      spec.checkpoint = OpenFile(model);
      spec.sources = {OpenFile(options.out + "/held_out.safetensors")};
      spec.target = OpenFile(options.out + "/target.safetensors");
      spec.evaluation = spec.target;
      spec.hyperparameters = {{"estimator", estimator},
                              {"calibration", options.calibration},
                              {"bootstrap", int64_t{0}}};
      const json report = RunOrFail(spec);
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
  if (!options.json_file.empty()) std::ofstream(options.json_file) << document.dump(2) << "\n";
  return held ? 0 : 1;
}
