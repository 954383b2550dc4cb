#include "tests/reliability/method_world.h"

#include <map>
#include <random>

#include "gtest/gtest.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"

namespace acclimate::reliability {
namespace {

constexpr int64_t kSamples = 120, kClasses = 4, kValues = 12;

// Long enough for several kills, short enough to run them all.
const std::map<std::string, int64_t>& Sizes() {
  static const auto& sizes = *new std::map<std::string, int64_t>{
      {"epochs", 8},     {"steps", 60},      {"batch_size", 20},
      {"chunk_size", 6}, {"ways", kClasses}, {"validation_episodes", 5}};
  return sizes;
}

e2e::Images ImagesWith(double shift, uint64_t seed) {
  return {.count = kSamples, .classes = kClasses, .shift = shift, .seed = seed};
}

// Counts, as of words: each class has its own frequent ones.
std::string VectorDataset(double gain, uint64_t seed, bool with_labels) {
  std::mt19937_64 random(seed);
  std::vector<float> values;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < kSamples; ++i) {
    labels.push_back(i % kClasses);
    for (int64_t at = 0; at < kValues; ++at) {
      const double mean = at % kClasses == labels.back() ? 6 * gain : 1;
      values.push_back(static_cast<float>(std::poisson_distribution<int>(mean)(random)));
    }
  }
  std::vector<e2e::Tensor> tensors;
  if (with_labels) tensors.push_back({"labels", "I64", {kSamples}, e2e::AsBytes(labels)});
  tensors.push_back({"inputs", "F32", {kSamples, kValues}, e2e::AsBytes(values)});
  return e2e::Safetensors(tensors);
}

bool Takes(v1::DataNeed need) { return need != v1::DATA_NEED_NONE; }

}  // namespace

MethodWorld::MethodWorld(e2e::ApiClient& api) : api_(api) {
  const auto catalog = api_.connection().Call<v1::ListMethodsResponse>(
      api_.connection().catalog(), &v1::CatalogService::Stub::ListMethods,
      v1::ListMethodsRequest());
  EXPECT_TRUE(catalog.ok()) << catalog.status();
  if (!catalog.ok()) return;
  for (const v1::Method& method : catalog->methods()) {
    if (method.trains()) methods_.push_back(method);
  }
  const auto images = [&](double shift, uint64_t seed) {
    return api_.Upload(e2e::ImageDataset(ImagesWith(shift, seed), true));
  };
  const auto vectors = [&](double gain, uint64_t seed) {
    return api_.Upload(VectorDataset(gain, seed, true));
  };
  images_ = {images(0, 1), images(0.2, 2), "", images(0.4, 3), ""};
  vectors_ = {vectors(1, 1), vectors(0.9, 2), "", vectors(0.7, 3), ""};
  images_.model = Train("lenet", images_.source);
  vectors_.model = Train("mlp", vectors_.source);
}

std::string MethodWorld::Train(const std::string& architecture, const std::string& source) {
  v1::JobSpec spec = e2e::TrainingSpec(source, 3);
  spec.mutable_model()->set_architecture(architecture);
  if (architecture == "mlp") (*spec.mutable_hyperparameters())["augment"].set_text("none");
  const absl::StatusOr<v1::Job> job = api_.Create(spec);
  EXPECT_TRUE(job.ok()) << job.status();
  if (!job.ok()) return "";
  const v1::Job trained = api_.WaitForEnd(job->name());
  EXPECT_EQ(trained.state(), v1::JOB_STATE_SUCCEEDED) << trained.DebugString();
  return ModelOf(trained);
}

v1::JobSpec MethodWorld::SpecFor(const v1::Method& method, uint64_t seed) {
  const bool of_vectors = method.needs_vectors() || method.needs_counts();
  const Domains& domains = of_vectors ? vectors_ : images_;
  const bool labelled = method.target_labels() == v1::DATA_NEED_REQUIRED;
  const std::string target =
      api_.Upload(of_vectors ? VectorDataset(0.7, 1000 + seed, labelled)
                             : e2e::ImageDataset(ImagesWith(0.4, 1000 + seed), labelled));
  const std::string name = method.name().substr(method.name().find('/') + 1);
  v1::JobSpec spec = e2e::AdaptationSpec(name, "", target);
  if (Takes(method.checkpoint())) spec.mutable_model()->set_checkpoint(domains.model);
  if (Takes(method.source())) spec.add_sources()->set_blob(domains.source);
  if (name == "moe" || name == "multi_source_dann") {
    spec.add_sources()->set_blob(domains.second_source);
  }
  for (const v1::MethodInput& known : method.inputs()) {
    if (known.kind() == v1::MethodInput::FILE) continue;
    v1::NamedInput& input = *spec.add_inputs();
    input.set_name(known.name());
    input.set_blob(known.kind() == v1::MethodInput::MODEL     ? domains.model
                   : known.kind() == v1::MethodInput::DATASET ? target
                                                              : domains.source);
  }
  spec.mutable_evaluation()->set_blob(domains.evaluation);
  for (const v1::Hyperparameter& known : method.hyperparameters()) {
    const auto size = Sizes().find(known.name());
    if (size != Sizes().end()) e2e::SetInteger(known.name(), size->second, &spec);
    if (known.name() == "budget") (*spec.mutable_hyperparameters())["budget"].set_real(0.01);
  }
  spec.set_seed(7);
  return spec;
}

}  // namespace acclimate::reliability
