#include "tests/bench/corrupted_tasks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/dataset.h"
#include "tests/bench/accuracy_run.h"

namespace acclimate::bench {
namespace {

constexpr uint64_t kSplitSeed = 20260103;  // of halves and corruptions: the same in every run
constexpr double kMostDeviations = 20;     // of a sensor's values, which are clipped there

struct Samples {
  at::Tensor inputs, labels;
};

Samples Read(const std::string& path) {
  const data::Dataset dataset = Must(data::Dataset::Read(OpenFile(path)));
  return {dataset.stored_inputs(), dataset.labels()};
}

Samples Picked(const Samples& samples, const at::Tensor& index) {
  return {samples.inputs.index_select(0, index), samples.labels.index_select(0, index)};
}

// Both halves of the samples in random order.
std::vector<Samples> Halves(const Samples& samples) {
  const at::Tensor order =
      at::randperm(samples.inputs.size(0), at::detail::createCPUGenerator(kSplitSeed), at::kLong);
  std::vector<Samples> halves;
  for (const at::Tensor& half : order.chunk(2)) halves.push_back(Picked(samples, half));
  return halves;
}

// What the tasks of one data set share.
struct Base {
  Samples source, target;
  AdaptationTask task;  // architecture, epochs and normalisation
};

void NormalizeByChannel(const at::Tensor& inputs, AdaptationTask& task) {
  std::vector<int64_t> others = {0};
  for (int64_t d = 2; d < inputs.dim(); ++d) others.push_back(d);
  const at::Tensor values = inputs.to(at::kDouble);
  const at::Tensor mean = values.mean(others).contiguous();
  const at::Tensor std =
      values.std(others, /*unbiased=*/true, /*keepdim=*/false).clamp_min(1e-6).contiguous();
  task.mean.assign(mean.data_ptr<double>(), mean.data_ptr<double>() + mean.numel());
  task.std.assign(std.data_ptr<double>(), std.data_ptr<double>() + std.numel());
}

Base Digits(const std::string& data) {
  const Samples all = Read(data + "/digits/mnist_train.safetensors");
  Base base;
  base.source = Picked(all, at::arange(6000, at::kLong));
  base.target = Picked(all, at::arange(10000, 12000, at::kLong));
  base.task.architecture = "lenet";
  base.task.source_epochs = 8;
  base.task.mean = base.task.std = {0.5};
  return base;
}

// Letters for a model of digits.
Base DigitsAndLetters(const std::string& data) {
  Base base = Digits(data);
  at::Generator random = at::detail::createCPUGenerator(kSplitSeed);
  const at::Tensor letters = Read(data + "/omniglot/background_small_28.safetensors").inputs;
  base.target.inputs =
      letters.index_select(0, at::randperm(letters.size(0), random, at::kLong).slice(0, 0, 2000));
  base.target.labels = at::randint(10, {2000}, random, at::kLong);
  return base;
}

Base Halved(const Samples& all, const std::string& architecture, int64_t epochs) {
  const std::vector<Samples> halves = Halves(all);
  Base base;
  base.source = halves[0];
  base.target = halves[1];
  base.task.architecture = architecture;
  base.task.source_epochs = epochs;
  return base;
}

Base Sensors(const std::string& data) {
  Base base = Halved(Read(data + "/gas_drift/batch3.safetensors"), "mlp", 40);
  NormalizeByChannel(base.source.inputs, base.task);
  return base;
}

// The same measurements as 16 sensors with a series of eight values each.
Base Series(const std::string& data) {
  Samples all = Read(data + "/gas_drift/batch2.safetensors");
  const at::Tensor mean = all.inputs.mean(0), std = all.inputs.std(0).clamp_min(1e-6);
  all.inputs = ((all.inputs - mean) / std)
                   .clamp(-kMostDeviations, kMostDeviations)
                   .view({all.inputs.size(0), 16, 8});
  return Halved(all, "mlp", 40);
}

Base Objects(const std::string& data) {
  return Halved(Read(data + "/jda/coil1.safetensors"), "mlp", 40);
}

Base Reviews(const std::string& data) {
  Samples all = Read(data + "/amazon_reviews/books_test_csr.safetensors");
  all.inputs = all.inputs.to(at::kFloat).log1p();
  return Halved(all, "mlp", 5);
}

Base Steel(const std::string& data) {
  Samples all = Read(data + "/neu/neu_64.safetensors");
  all.inputs = at::avg_pool2d(all.inputs.to(at::kFloat), {2, 2}).round().to(at::kByte);
  Base base = Halved(all, "conv4_pooled", 60);
  base.task.mean = base.task.std = {0.5};
  return base;
}

using Corrupt = std::function<Samples(const Samples&, at::Generator&)>;
using Change = std::function<at::Tensor(const at::Tensor&, at::Generator&)>;

// Of images in [0, 1].
Corrupt OfImages(Change change) {
  return [change = std::move(change)](const Samples& samples, at::Generator& random) {
    const at::Tensor changed = change(samples.inputs.to(at::kFloat) / 255, random);
    return Samples{(changed.clamp(0, 1) * 255).round().to(at::kByte), samples.labels};
  };
}

Corrupt OfVectors(Change change) {
  return [change = std::move(change)](const Samples& samples, at::Generator& random) {
    return Samples{change(samples.inputs.to(at::kFloat), random), samples.labels};
  };
}

Samples Same(const Samples& samples, at::Generator&) { return samples; }

at::Tensor Noisy(const at::Tensor& x, double deviation, at::Generator& random) {
  return x + deviation * at::empty_like(x).normal_(0, 1, random);
}

at::Tensor Blurred(const at::Tensor& x, int passes) {
  at::Tensor blurred = x;
  for (int i = 0; i < passes; ++i) {
    blurred = at::avg_pool2d(blurred, {3, 3}, {1, 1}, {1, 1}, false, false);
  }
  return blurred;
}

// For each coordinate a factor between 1/most and most.
at::Tensor Factors(const at::Tensor& x, double most, at::Generator& random) {
  return at::empty(x.sizes().slice(1), x.options())
      .uniform_(-1, 1, random)
      .mul(std::log(most))
      .exp();
}

// The share of a class falls with its number.
Samples InOtherShares(const Samples& samples, at::Generator& random) {
  const at::Tensor kept = samples.labels.to(at::kFloat).mul(-0.35).exp();
  const at::Tensor drawn = at::empty_like(kept).uniform_(0, 1, random);
  return Picked(samples, drawn.lt(kept).nonzero().squeeze(1));
}

at::Tensor LabelsByChance(const Samples& like, int64_t count, at::Generator& random) {
  return at::randint(like.labels.max().item<int64_t>() + 1, {count}, random, at::kLong);
}

Samples PureNoise(const Samples& samples, at::Generator& random) {
  const int64_t count = std::min<int64_t>(samples.inputs.size(0), 1500);
  at::Tensor inputs = at::empty_like(samples.inputs.slice(0, 0, count), at::kFloat);
  if (samples.inputs.scalar_type() == at::kByte) {
    inputs = inputs.uniform_(0, 256, random).floor().to(at::kByte);
  } else {
    const at::Tensor mean = samples.inputs.mean(0), std = samples.inputs.std(0);
    inputs = inputs.normal_(0, 1, random) * std + mean;
  }
  return {inputs, LabelsByChance(samples, count, random)};
}

Samples OneSample(const Samples& samples, at::Generator& random) {
  constexpr int64_t kCopies = 600;
  return {samples.inputs.slice(0, 0, 1).repeat({kCopies, 1, 1, 1}),
          LabelsByChance(samples, kCopies, random)};
}

struct CorruptedTask {
  const char* name;
  Base (*base)(const std::string& data);
  Corrupt corrupt;
};

const std::vector<CorruptedTask>& Tasks() {
  static const auto* const kTasks = new std::vector<CorruptedTask>{
      {"digits_same", &Digits, &Same},
      {"digits_noisy", &Digits,
       OfImages([](const at::Tensor& x, at::Generator& random) { return Noisy(x, 0.4, random); })},
      {"digits_blurred", &Digits,
       OfImages([](const at::Tensor& x, at::Generator&) { return Blurred(x, 6); })},
      {"digits_faint", &Digits, OfImages([](const at::Tensor& x, at::Generator& random) {
         return Noisy(0.25 * x + 0.3, 0.05, random);
       })},
      {"digits_inverted", &Digits,
       OfImages([](const at::Tensor& x, at::Generator&) { return 1 - x; })},
      {"digits_moved", &Digits, OfImages([](const at::Tensor& x, at::Generator&) {
         return x.roll({3, 3}, {2, 3});
       })},
      {"digits_mirrored", &Digits,
       OfImages([](const at::Tensor& x, at::Generator&) { return x.flip({3}); })},
      {"digits_shares", &Digits, &InOtherShares},
      {"digits_purenoise", &Digits, &PureNoise},
      {"digits_onesample", &Digits, &OneSample},
      {"digits_letters", &DigitsAndLetters, &Same},
      {"sensors_same", &Sensors, &Same},
      {"sensors_scaled", &Sensors, OfVectors([](const at::Tensor& x, at::Generator& random) {
         return x * Factors(x, 1.6, random);
       })},
      {"sensors_offset", &Sensors, OfVectors([](const at::Tensor& x, at::Generator& random) {
         return x + 0.7 * x.std(0) * at::empty(x.sizes().slice(1)).normal_(0, 1, random);
       })},
      {"sensors_swapped", &Sensors, OfVectors([](const at::Tensor& x, at::Generator& random) {
         const at::Tensor some = at::randperm(x.size(1), random, at::kLong).slice(0, 0, 24);
         return x.index_copy(1, some, x.index_select(1, some.roll(1)));
       })},
      {"sensors_shares", &Sensors, &InOtherShares},
      {"sensors_purenoise", &Sensors, &PureNoise},
      {"series_same", &Series, &Same},
      {"series_scaled", &Series, OfVectors([](const at::Tensor& x, at::Generator& random) {
         return x * Factors(x, 1.8, random);
       })},
      {"series_late", &Series,
       OfVectors([](const at::Tensor& x, at::Generator&) { return x.roll(1, 2); })},
      {"series_noisy", &Series,
       OfVectors([](const at::Tensor& x, at::Generator& random) { return Noisy(x, 0.6, random); })},
      {"objects_noisy", &Objects, OfVectors([](const at::Tensor& x, at::Generator& random) {
         return x + x.std() * at::empty_like(x).normal_(0, 1, random);
       })},
      {"objects_covered", &Objects, OfVectors([](const at::Tensor& x, at::Generator&) {
         at::Tensor covered = x.clone();
         covered.view({-1, 32, 32}).slice(1, 12, 24).slice(2, 8, 20).fill_(x.mean());
         return covered;
       })},
      {"reviews_same", &Reviews, &Same},
      {"reviews_short", &Reviews, OfVectors([](const at::Tensor& x, at::Generator& random) {
         return x * at::empty_like(x).uniform_(0, 1, random).lt(0.35);
       })},
      {"steel_noisy", &Steel,
       OfImages([](const at::Tensor& x, at::Generator& random) { return Noisy(x, 0.06, random); })},
      {"steel_blurred", &Steel,
       OfImages([](const at::Tensor& x, at::Generator&) { return Blurred(x, 1); })},
      {"steel_faint", &Steel,
       OfImages([](const at::Tensor& x, at::Generator&) { return 0.5 * x + 0.1; })},
  };
  return *kTasks;
}

std::string Written(const std::string& path, const std::function<Samples()>& make) {
  if (!std::filesystem::exists(path)) {
    const Samples samples = make();
    WriteTensors(path, {{"inputs", samples.inputs.contiguous()}, {"labels", samples.labels}});
  }
  return path;
}

}  // namespace

std::vector<std::string> CorruptedTaskNames() {
  std::vector<std::string> names;
  for (const CorruptedTask& task : Tasks()) names.push_back(task.name);
  return names;
}

AdaptationTask PrepareCorruptedTask(const std::string& name, const std::string& data,
                                    const std::string& work) {
  const auto found = std::find_if(Tasks().begin(), Tasks().end(),
                                  [&](const CorruptedTask& task) { return task.name == name; });
  if (found == Tasks().end()) {
    Fail(absl::StrCat("no task ", name, "; known: ", absl::StrJoin(CorruptedTaskNames(), ", ")));
  }
  std::filesystem::create_directories(work);
  const Base base = found->base(data);
  AdaptationTask task = base.task;
  task.name = name;
  task.source =
      Written(absl::StrCat(work, "/", name.substr(0, name.find('_')), "_source.safetensors"),
              [&] { return base.source; });
  task.target = Written(absl::StrCat(work, "/", name, ".safetensors"), [&] {
    at::Generator random = at::detail::createCPUGenerator(kSplitSeed + 1);
    return found->corrupt(base.target, random);
  });
  task.evaluation = task.target;
  task.domains = {task.source};
  return task;
}

}  // namespace acclimate::bench
