#include "tests/bench/adaptation_tasks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/dataset.h"
#include "tests/bench/accuracy_run.h"

namespace acclimate::bench {
namespace {

constexpr uint64_t kSplitSeed = 20260101;  // of splits and corruptions: the same in every run

struct Folders {
  std::string data, work;

  std::string Data(const std::string& file) const { return absl::StrCat(data, "/", file); }
  std::string Made(const std::string& file) const { return absl::StrCat(work, "/", file); }
};

struct Samples {
  at::Tensor inputs, labels;
};

Samples Read(const std::string& path) {
  const data::Dataset dataset = Must(data::Dataset::Read(OpenFile(path)));
  return {dataset.stored_inputs(), dataset.labels()};
}

// `path`, made by `make` unless it is there.
std::string Made(const std::string& path, const std::function<Samples()>& make) {
  if (std::filesystem::exists(path)) return path;
  const Samples samples = make();
  WriteTensors(path, {{"inputs", samples.inputs}, {"labels", samples.labels}});
  return path;
}

AdaptationTask Digits(const std::string& source, const std::string& target,
                      const std::string& evaluation) {
  AdaptationTask task;
  task.architecture = "lenet";
  task.source_epochs = 3;
  task.mean = task.std = {0.5};
  task.source = source;
  task.target = target;
  task.evaluation = evaluation;
  return task;
}

AdaptationTask MnistToUsps(const Folders& folders) {
  const std::string usps = folders.Data("digits/usps_train_28x28.safetensors");
  return Digits(folders.Data("digits/mnist_train.safetensors"), usps, usps);
}

AdaptationTask UspsToMnist(const Folders& folders) {
  AdaptationTask task = Digits(folders.Data("digits/usps_train_28x28.safetensors"),
                               folders.Data("digits/mnist_train.safetensors"),
                               folders.Data("digits/mnist_test.safetensors"));
  task.source_epochs = 20;  // as many steps as three epochs of MNIST
  return task;
}

AdaptationTask MnistToMnistM(const Folders& folders) {
  const std::string rgb = Made(folders.Made("mnist_rgb.safetensors"), [&] {
    const Samples grey = Read(folders.Data("digits/mnist_train.safetensors"));
    return Samples{grey.inputs.expand({-1, 3, -1, -1}), grey.labels};
  });
  const std::string target = folders.Data("digits/mnistm_train3k_28x28.safetensors");
  return Digits(rgb, target, target);
}

AdaptationTask Amazon(const Folders& folders, const std::string& source,
                      const std::string& target) {
  const auto file = [&](const std::string& domain, const std::string& part) {
    // Counts of words, damped as in the published preprocessing of these features.
    return Made(folders.Made(absl::StrCat("amazon_", domain, "_", part, ".safetensors")), [&] {
      const Samples counts = Read(
          folders.Data(absl::StrCat("amazon_reviews/", domain, "_", part, "_csr.safetensors")));
      return Samples{counts.inputs.to(at::kFloat).log1p(), counts.labels};
    });
  };
  AdaptationTask task;
  task.architecture = "mlp";
  task.source_epochs = 5;
  task.source = file(source, "train");
  task.target = file(target, "train");
  task.evaluation = file(target, "test");
  return task;
}

std::string GasBatch(const Folders& folders, int number) {
  return folders.Data(absl::StrCat("gas_drift/batch", number, ".safetensors"));
}

// Sensors are measured in units of very different size: standardised by the first batch.
AdaptationTask GasDrift(const Folders& folders, int batch) {
  const at::Tensor inputs = Read(GasBatch(folders, 1)).inputs.to(at::kDouble);
  const at::Tensor mean = inputs.mean(0), std = inputs.std(0).clamp_min(1e-6);
  AdaptationTask task;
  task.architecture = "mlp";
  task.source_epochs = 60;
  task.mean.assign(mean.data_ptr<double>(), mean.data_ptr<double>() + mean.numel());
  task.std.assign(std.data_ptr<double>(), std.data_ptr<double>() + std.numel());
  task.source = GasBatch(folders, 1);
  task.target = task.evaluation = GasBatch(folders, batch);
  return task;
}

// From all batches before it, each a domain of its own. A few samples of batch 2 have values up to
// 14757 standard deviations out, which no batch-norm layer survives: sources are clipped.
AdaptationTask GasDriftFromAllBefore(const Folders& folders, int batch) {
  constexpr double kMostDeviations = 20;
  AdaptationTask task = GasDrift(folders, batch);
  const at::Tensor mean = at::tensor(task.mean, at::kFloat);
  const at::Tensor most = kMostDeviations * at::tensor(task.std, at::kFloat);
  for (int before = 1; before < batch; ++before) {
    task.domains.push_back(
        Made(folders.Made(absl::StrCat("gas_clipped", before, ".safetensors")), [&] {
          const Samples all = Read(GasBatch(folders, before));
          return Samples{all.inputs.clamp(mean - most, mean + most), all.labels};
        }));
  }
  task.source = Made(folders.Made(absl::StrCat("gas_before", batch, ".safetensors")), [&] {
    std::vector<at::Tensor> inputs, labels;
    for (const std::string& domain : task.domains) {
      const Samples samples = Read(domain);
      inputs.push_back(samples.inputs);
      labels.push_back(samples.labels);
    }
    return Samples{at::cat(inputs), at::cat(labels)};
  });
  return task;
}

AdaptationTask Coil(const Folders& folders, int source, int target) {
  const auto file = [&](int number) {
    return folders.Data(absl::StrCat("jda/coil", number, ".safetensors"));
  };
  AdaptationTask task;
  task.architecture = "mlp";
  task.source_epochs = 60;
  task.source = file(source);
  task.target = task.evaluation = file(target);
  return task;
}

// Brightness, contrast, noise and blur, each of a strength drawn for every image.
at::Tensor Corrupted(const at::Tensor& images, uint64_t seed) {
  at::Generator random = at::detail::createCPUGenerator(seed);
  at::Tensor x = images.to(at::kFloat) / 255;
  const auto uniform = [&](double low, double high) {
    return at::empty({x.size(0), 1, 1, 1}).uniform_(low, high, random);
  };
  const at::Tensor mean = x.mean({1, 2, 3}, /*keepdim=*/true);
  x = (x - mean) * uniform(0.4, 0.8) + mean + uniform(0.1, 0.3);
  const at::Tensor blurred = at::avg_pool2d(x, {3, 3}, {1, 1}, {1, 1}, false, false);
  x = at::lerp(x, blurred, uniform(0.0, 1.0).expand_as(x));
  x = x + at::empty_like(x).normal_(0, 1, random) * uniform(0.01, 0.04);
  return (x.clamp(0, 1) * 255).round().to(at::kByte);
}

// One half of the images, at half of their size, is the source, the other half under corruption the
// target. The first half under corruption, with labels, is what training anew would have.
AdaptationTask NeuUnderCorruption(const Folders& folders) {
  const auto half = [&](const std::string& name, int which, bool corrupted) {
    return Made(folders.Made(absl::StrCat("neu32_", name, ".safetensors")), [&] {
      const Samples all = Read(folders.Data("neu/neu_64.safetensors"));
      const at::Tensor order =
          at::randperm(all.inputs.size(0), at::detail::createCPUGenerator(kSplitSeed), at::kLong);
      const at::Tensor part = order.chunk(2)[which];
      at::Tensor inputs = all.inputs.index_select(0, part);
      if (corrupted) inputs = Corrupted(inputs, kSplitSeed + which);
      inputs = at::avg_pool2d(inputs.to(at::kFloat), {2, 2}).round().to(at::kByte);
      return Samples{inputs, all.labels.index_select(0, part)};
    });
  };
  AdaptationTask task;
  task.architecture = "conv4_pooled";
  task.source_epochs = 100;
  task.mean = task.std = {0.5};
  task.source = half("source", 0, /*corrupted=*/false);
  task.target = task.evaluation = half("target", 1, /*corrupted=*/true);
  task.labelled = half("labelled", 0, /*corrupted=*/true);
  return task;
}

using Prepare = std::function<AdaptationTask(const Folders&)>;

const std::vector<std::pair<std::string, Prepare>>& Tasks() {
  static const auto* const kTasks = [] {
    auto* tasks = new std::vector<std::pair<std::string, Prepare>>{
        {"mnist_usps", MnistToUsps},
        {"usps_mnist", UspsToMnist},
        {"mnist_mnistm", MnistToMnistM},
        {"books_kitchen", [](const Folders& f) { return Amazon(f, "books", "kitchen"); }},
        {"kitchen_books", [](const Folders& f) { return Amazon(f, "kitchen", "books"); }},
        {"coil1_coil2", [](const Folders& f) { return Coil(f, 1, 2); }},
        {"coil2_coil1", [](const Folders& f) { return Coil(f, 2, 1); }},
        {"neu_corrupted", NeuUnderCorruption},
    };
    for (int batch = 2; batch <= 5; ++batch) {
      tasks->emplace_back(absl::StrCat("gas1_gas", batch),
                          [batch](const Folders& f) { return GasDrift(f, batch); });
    }
    for (int batch = 3; batch <= 5; ++batch) {
      tasks->emplace_back(absl::StrCat("gas_before_gas", batch),
                          [batch](const Folders& f) { return GasDriftFromAllBefore(f, batch); });
    }
    return tasks;
  }();
  return *kTasks;
}

}  // namespace

std::vector<std::string> AdaptationTaskNames() {
  std::vector<std::string> names;
  for (const auto& [name, prepare] : Tasks()) names.push_back(name);
  return names;
}

AdaptationTask PrepareTask(const std::string& name, const std::string& data,
                           const std::string& work) {
  for (const auto& [known, prepare] : Tasks()) {
    if (known != name) continue;
    std::filesystem::create_directories(work);
    AdaptationTask task = prepare({data, work});
    task.name = name;
    if (task.domains.empty()) task.domains = {task.source};
    return task;
  }
  Fail(absl::StrCat("no task ", name, "; known: ", absl::StrJoin(AdaptationTaskNames(), ", ")));
}

data::Dataset LoadDomain(const std::string& path, const AdaptationTask& task) {
  data::Dataset dataset = Must(data::Dataset::Read(OpenFile(path)));
  if (!task.mean.empty()) Must(dataset.SetNormalization({task.mean, task.std}));
  return dataset;
}

SplitSource HoldOut(const data::Dataset& source) {
  const int64_t count =
      std::clamp<int64_t>(source.size() / 20, std::min<int64_t>(500, source.size() / 10), 2000);
  const at::Tensor order =
      at::randperm(source.size(), at::detail::createCPUGenerator(1), at::TensorOptions(at::kLong));
  SplitSource split;
  split.held_out.push_back(source.Subset(order.slice(0, 0, count)));
  split.sources.push_back(source.Subset(order.slice(0, count)));
  return split;
}

std::string SourceModel(const AdaptationTask& task, const std::string& seed,
                        const std::string& folder) {
  const std::string path = folder + "/model.safetensors";
  if (std::filesystem::exists(path)) return path;
  job::RunSpec spec;
  spec.method = "finetune";
  spec.architecture = task.architecture;
  spec.hyperparameters["epochs"] = task.source_epochs;
  spec.normalization.mean = task.mean;
  spec.normalization.std = task.std;
  spec.target = OpenFile(task.source);
  spec.seed = ParseSeed(seed);
  spec.output_directory = folder;
  RunOrFail(spec, /*print_warnings=*/false);
  return path;
}

}  // namespace acclimate::bench
