// What unlabelled data are worth beside few labels, through job::Run:
//
//   simclr          corrupted MNIST: `simclr` on 10000 unlabelled digits, then `finetune` with 100
//                   labels (1 %), against `finetune` from fresh weights with the same labels
//   distill_grey,   MNIST-M: `distill` from an RGB teacher into a student that sees grey images or
//   distill_edges   edge maps, 2000 unlabelled pairs and 100 labels, against `finetune` with the
//                   same labels
//
//   few_labels_accuracy [--tasks simclr,distill_grey,distill_edges] [--seeds 1,2,3]
//                       [--set simclr.temperature=0.2]... [--out FOLDER] [--threads 1]
//
// Every method has its defaults but for the epochs of `finetune`, which are as many for both sides.
// Data: $ACCLIMATE_TEST_DATA or ../shared/data beside the repository; without them it says so and
// ends well.
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/data/augment/image_augmentation.h"
#include "core/io/tensor_file.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"

namespace {

using acclimate::io::MappedFile;
using acclimate::job::RunResult;
using acclimate::job::RunSpec;
using acclimate::methods::HyperparameterValue;

constexpr int64_t kLabelsPerClass = 10, kClasses = 10;
constexpr int64_t kFewLabelsEpochs = 200;  // of one batch each
constexpr int64_t kTeacherEpochs = 30;
constexpr int64_t kUnlabelledDigits = 10000, kPairs = 2000;

struct Options {
  std::vector<std::string> tasks = {"simclr", "distill_grey", "distill_edges"};
  std::vector<std::string> seeds = {"1", "2", "3"};
  int threads = 1;
  std::map<std::string, acclimate::methods::Hyperparameters> set;  // by method
  std::string out = "few_labels_accuracy.out";
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

std::string DataFolder() {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return folder != nullptr ? folder : ACCLIMATE_SOURCE_DIR "/../shared/data";
}

std::shared_ptr<MappedFile> OpenFile(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file.ok()) Fail(file.status().ToString());
  return *file;
}

HyperparameterValue ParseValue(const std::string& text) {
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
    if (flag == "--tasks") {
      options.tasks = absl::StrSplit(value, ',');
    } else if (flag == "--seeds") {
      options.seeds = absl::StrSplit(value, ',');
    } else if (flag == "--threads") {
      options.threads = std::atoi(value.c_str());
    } else if (flag == "--out") {
      options.out = value;
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

struct Samples {
  at::Tensor inputs;  // float [N, C, H, W] in [0, 1]
  at::Tensor labels;
};

Samples Read(const std::string& name, int64_t begin, int64_t end) {
  auto file = acclimate::io::ReadSafetensors(
      OpenFile(absl::StrCat(DataFolder(), "/digits/", name, ".safetensors")));
  if (!file.ok()) Fail(file.status().ToString());
  return {file->tensors.at("inputs").slice(0, begin, end).to(at::kFloat) / 255,
          file->tensors.at("labels").slice(0, begin, end).to(at::kLong)};
}

void Write(const std::string& path, const Samples& samples) {
  std::map<std::string, at::Tensor> tensors = {
      {"inputs", (samples.inputs.clamp(0, 1) * 255).round().to(at::kByte)}};
  if (samples.labels.defined()) tensors["labels"] = samples.labels;
  const absl::Status status = acclimate::io::WriteSafetensors(path, tensors);
  if (!status.ok()) Fail(status.ToString());
}

// The first samples of every class.
Samples Few(const Samples& samples) {
  std::vector<at::Tensor> index;
  for (int64_t c = 0; c < kClasses; ++c) {
    index.push_back(samples.labels.eq(c).nonzero().view(-1).narrow(0, 0, kLabelsPerClass));
  }
  const at::Tensor chosen = at::cat(index);
  return {samples.inputs.index_select(0, chosen), samples.labels.index_select(0, chosen)};
}

// Each image with a blur, a contrast, a brightness and a noise of its own.
Samples Corrupted(const Samples& samples, uint64_t seed) {
  torch::manual_seed(seed);
  const int64_t count = samples.inputs.size(0);
  const auto uniform = [&](double low, double high) {
    return at::rand({count, 1, 1, 1}) * (high - low) + low;
  };
  acclimate::data::ImageTransform blur;
  blur.blur_pixels = uniform(0.3, 1.3).view(-1);
  const at::Tensor contrast = uniform(0.2, 0.9);
  at::Tensor images = acclimate::data::Apply(blur, samples.inputs) * contrast;
  images += uniform(0, 1) * (1 - contrast);
  images += uniform(0.05, 0.3) * at::randn(images.sizes());
  return {images.clamp(0, 1), samples.labels};
}

Samples Grey(const Samples& colour) { return {colour.inputs.mean(1, true), colour.labels}; }

// The length of the gradient by Sobel, 1 at most.
Samples Edges(const Samples& colour) {
  const at::Tensor x =
      at::tensor({-1., 0., 1., -2., 0., 2., -1., 0., 1.}, at::kFloat).view({1, 1, 3, 3}) / 4;
  const at::Tensor padded = at::replication_pad2d(Grey(colour).inputs, {1, 1, 1, 1});
  const at::Tensor squares =
      at::conv2d(padded, x).square() + at::conv2d(padded, x.transpose(2, 3)).square();
  return {squares.sqrt().clamp(0, 1), colour.labels};
}

class Measurement {
 public:
  Measurement(const Options& options, const std::string& task, const std::string& seed)
      : options_(options), seed_(seed), folder_(absl::StrCat(options.out, "/", task, "-", seed)) {
    std::filesystem::create_directories(folder_);
  }

  std::string File(const std::string& name) const { return absl::StrCat(folder_, "/", name); }
  void Keep(const std::string& name, const Samples& samples) const { Write(File(name), samples); }

  // A fresh `architecture` unless there is a checkpoint.
  RunSpec Spec(const std::string& method, const std::string& run, const std::string& architecture,
               const std::string& target) const {
    RunSpec spec;
    spec.method = method;
    const auto set = options_.set.find(method);
    if (set != options_.set.end()) spec.hyperparameters = set->second;
    spec.architecture = architecture;
    spec.num_classes = kClasses;
    spec.target = OpenFile(File(target));
    spec.evaluation = OpenFile(File("test.safetensors"));
    spec.mean = {0.5};
    spec.std = {0.5};
    spec.seed = std::strtoull(seed_.c_str(), nullptr, 10);
    spec.threads = options_.threads;
    spec.output_directory = File(run);
    return spec;
  }

  RunSpec FewLabels(const std::string& run) const {
    RunSpec spec = Spec("finetune", run, "lenet", "few.safetensors");
    spec.hyperparameters["epochs"] = kFewLabelsEpochs;
    return spec;
  }

  RunResult Run(const RunSpec& spec) const {
    std::filesystem::create_directories(spec.output_directory);
    QuietObserver observer;
    auto result = acclimate::job::Run(spec, observer);
    if (!result.ok()) Fail(absl::StrCat(spec.method, ": ", result.status().ToString()));
    std::ifstream file(spec.output_directory + "/report.json");
    const nlohmann::json report = nlohmann::json::parse(file);
    std::printf("  %-10s %6.2f %%  %6.1f s", spec.method.c_str(),
                100 * result->metrics.at("accuracy"), report["seconds"]["training"].get<double>());
    for (const char* metric :
         {"linear_probe_accuracy", "nearest_neighbour_accuracy", "teacher_agreement"}) {
      const auto it = result->metrics.find(metric);
      if (it != result->metrics.end()) std::printf("  %s %.2f %%", metric, 100 * it->second);
    }
    std::printf("\n");
    return *std::move(result);
  }

  static std::string ModelOf(const RunSpec& spec) {
    return spec.output_directory + "/model.safetensors";
  }

 private:
  const Options& options_;
  const std::string seed_, folder_;
};

// With what unlabelled data gave, and without.
struct Comparison {
  double with = 0, without = 0;
};

Comparison PretrainThenFinetune(const Measurement& measurement, uint64_t seed) {
  const Samples train = Corrupted(Read("mnist_train", 0, kUnlabelledDigits), seed);
  const Samples test = Corrupted(Read("mnist_test", 0, 10000), seed + 1000);
  measurement.Keep("few.safetensors", Few(train));
  measurement.Keep("unlabelled.safetensors", {train.inputs, {}});
  measurement.Keep("test.safetensors", test);
  const RunSpec pretrain = measurement.Spec("simclr", "simclr", "lenet", "unlabelled.safetensors");
  RunSpec probed = pretrain;
  probed.inputs["probe"] = OpenFile(measurement.File("test.safetensors"));
  measurement.Run(probed);
  RunSpec finetune = measurement.FewLabels("pretrained");
  finetune.checkpoint = OpenFile(Measurement::ModelOf(pretrain));
  const RunSpec fresh = measurement.FewLabels("fresh");
  return {measurement.Run(finetune).metrics.at("accuracy"),
          measurement.Run(fresh).metrics.at("accuracy")};
}

Comparison DistillIntoOtherModality(const Measurement& measurement,
                                    Samples (*modality)(const Samples&)) {
  const Samples colour = Read("mnistm_train3k_28x28", 0, 3000);
  const Samples train = {colour.inputs.slice(0, 0, kPairs), colour.labels.slice(0, 0, kPairs)};
  const Samples test = {colour.inputs.slice(0, kPairs), colour.labels.slice(0, kPairs)};
  const Samples seen = modality(train);
  measurement.Keep("colour.safetensors", train);
  measurement.Keep("colour_inputs.safetensors", {train.inputs, {}});
  measurement.Keep("seen.safetensors", {seen.inputs, {}});
  measurement.Keep("few.safetensors", Few(seen));
  measurement.Keep("test.safetensors", test);
  RunSpec teacher = measurement.Spec("finetune", "teacher", "dtn", "colour.safetensors");
  teacher.hyperparameters["epochs"] = kTeacherEpochs;
  measurement.Run(teacher);
  measurement.Keep("test.safetensors", modality(test));
  RunSpec distill = measurement.Spec("distill", "distill", "lenet", "seen.safetensors");
  distill.inputs = {{"teacher", OpenFile(Measurement::ModelOf(teacher))},
                    {"teacher_inputs", OpenFile(measurement.File("colour_inputs.safetensors"))},
                    {"labelled", OpenFile(measurement.File("few.safetensors"))}};
  return {measurement.Run(distill).metrics.at("accuracy"),
          measurement.Run(measurement.FewLabels("fresh")).metrics.at("accuracy")};
}

Comparison Compare(const Options& options, const std::string& task, const std::string& seed) {
  const Measurement measurement(options, task, seed);
  if (task == "simclr") {
    return PretrainThenFinetune(measurement, std::strtoull(seed.c_str(), nullptr, 10));
  }
  if (task == "distill_grey") return DistillIntoOtherModality(measurement, &Grey);
  if (task == "distill_edges") return DistillIntoOtherModality(measurement, &Edges);
  Fail(absl::StrCat("unknown task ", task));
}

std::string MeanAndSpread(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / values.size();
  for (const double value : values) squares += (value - mean) * (value - mean) / values.size();
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f +- %.2f", 100 * mean, 100 * std::sqrt(squares));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  if (!std::filesystem::exists(DataFolder() + "/digits")) {
    std::printf("skipped: no data sets under %s\n", DataFolder().c_str());
    return 0;
  }
  for (const std::string& task : options.tasks) {
    std::vector<double> with, without, gain;
    for (const std::string& seed : options.seeds) {
      std::printf("%s, seed %s\n", task.c_str(), seed.c_str());
      const Comparison comparison = Compare(options, task, seed);
      with.push_back(comparison.with);
      without.push_back(comparison.without);
      gain.push_back(comparison.with - comparison.without);
    }
    std::printf("%s: %s %%, labels alone %s %%, gained %s points\n", task.c_str(),
                MeanAndSpread(with).c_str(), MeanAndSpread(without).c_str(),
                MeanAndSpread(gain).c_str());
  }
  return 0;
}
