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
#include <ATen/ATen.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/augment/image_augmentation.h"
#include "core/job/run.h"
#include "core/runtime/blas.h"
#include "tests/bench/accuracy_run.h"

namespace {

using acclimate::bench::Fail;
using acclimate::bench::Flags;
using acclimate::bench::OpenFile;
using acclimate::bench::Outcome;
using acclimate::bench::ParseSeed;
using acclimate::bench::RunOrFail;
using acclimate::bench::Spread;
using acclimate::job::RunSpec;

constexpr int64_t kLabelsPerClass = 10, kClasses = 10;
constexpr int64_t kFewLabelsEpochs = 200;  // of one batch each
constexpr int64_t kTeacherEpochs = 30;
constexpr int64_t kUnlabelledDigits = 10000, kPairs = 2000;

struct Options {
  std::vector<std::string> tasks, seeds;
  int threads = 1;
  std::map<std::string, acclimate::methods::Hyperparameters> set;  // by method
  std::string out;
};

Options ParseOptions(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"tasks", "simclr,distill_grey,distill_edges"},
                     {"seeds", "1,2,3"},
                     {"threads", "1"},
                     {"set", ""},
                     {"out", "few_labels_accuracy.out"}});
  Options options;
  options.tasks = flags.List("tasks");
  options.seeds = flags.Seeds();
  options.threads = static_cast<int>(flags.Integer("threads"));
  options.set = flags.SettingsByMethod();
  options.out = flags.Text("out");
  return options;
}

struct Samples {
  at::Tensor inputs;  // float [N, C, H, W] in [0, 1]
  at::Tensor labels;
};

Samples Read(const std::string& name, int64_t begin, int64_t end) {
  const auto tensors = acclimate::bench::ReadTensors(
      acclimate::bench::DataFile(absl::StrCat("digits/", name, ".safetensors")));
  return {tensors.at("inputs").slice(0, begin, end).to(at::kFloat) / 255,
          tensors.at("labels").slice(0, begin, end).to(at::kLong)};
}

void Write(const std::string& path, const Samples& samples) {
  std::map<std::string, at::Tensor> tensors = {
      {"inputs", (samples.inputs.clamp(0, 1) * 255).round().to(at::kByte)}};
  if (samples.labels.defined()) tensors["labels"] = samples.labels;
  acclimate::bench::WriteTensors(path, tensors);
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
  at::manual_seed(seed);
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
    spec.normalization.mean = {0.5};
    spec.normalization.std = {0.5};
    spec.seed = ParseSeed(seed_);
    spec.threads = options_.threads;
    spec.output_directory = File(run);
    return spec;
  }

  RunSpec FewLabels(const std::string& run) const {
    RunSpec spec = Spec("finetune", run, "lenet", "few.safetensors");
    spec.hyperparameters["epochs"] = kFewLabelsEpochs;
    return spec;
  }

  Outcome Run(const RunSpec& spec) const {
    const Outcome outcome = RunOrFail(spec);
    std::printf("  %-10s %6.2f %%  %6.1f s", spec.method.c_str(),
                100 * outcome.metrics.at("accuracy"), outcome.seconds);
    for (const char* metric :
         {"linear_probe_accuracy", "nearest_neighbour_accuracy", "teacher_agreement"}) {
      const auto it = outcome.metrics.find(metric);
      if (it != outcome.metrics.end()) std::printf("  %s %.2f %%", metric, 100 * it->second);
    }
    std::printf("\n");
    return outcome;
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
  if (task == "simclr") return PretrainThenFinetune(measurement, ParseSeed(seed));
  if (task == "distill_grey") return DistillIntoOtherModality(measurement, &Grey);
  if (task == "distill_edges") return DistillIntoOtherModality(measurement, &Edges);
  Fail(absl::StrCat("unknown task ", task));
}

std::string InPercent(const std::vector<double>& shares) {
  const Spread spread = acclimate::bench::MeanAndSpread(shares);
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f +- %.2f", 100 * spread.mean, 100 * spread.deviation);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = ParseOptions(argc, argv);
  const std::string data = acclimate::bench::DataFolder();
  if (!std::filesystem::exists(data + "/digits")) {
    std::printf("skipped: no data sets under %s\n", data.c_str());
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
                InPercent(with).c_str(), InPercent(without).c_str(), InPercent(gain).c_str());
  }
  return 0;
}
