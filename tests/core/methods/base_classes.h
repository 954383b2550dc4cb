// Many small classes to learn from and a few others to learn afterwards.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_BASE_CLASSES_H_
#define ACCLIMATE_TESTS_CORE_METHODS_BASE_CLASSES_H_

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>

#include "core/model/model.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::testing {

// Clouds of 25 classes in half of the dimensions, large noise in the other half: what is to be
// learned is which half to look at.
inline Domain NoisyClouds(int64_t each, uint64_t seed) {
  constexpr int64_t kClasses = 25;
  const Domain clouds = MakeDomain(each * kClasses, {12}, seed, kClasses);
  const at::Tensor noise =
      3 * at::randn(clouds.inputs.sizes(), at::detail::createCPUGenerator(seed + 100), at::kFloat);
  return {at::cat({clouds.inputs, noise}, 1), clouds.labels};
}

// The classes [begin, end) of a domain, as 0, 1, ...
inline Domain ClassesOf(const Domain& domain, int64_t begin, int64_t end) {
  const at::Tensor chosen = domain.labels.ge(begin) & domain.labels.lt(end);
  return {domain.inputs.index({chosen}), domain.labels.index({chosen}) - begin};
}

// Files: base.safetensors (20 classes), validation.safetensors (5 others), of vectors [24].
class BaseClasses {
 public:
  BaseClasses() : folder_(NewFolder("base_classes")) {
    const Domain all = NoisyClouds(20, 1);
    WriteDomain(Path("base.safetensors"), ClassesOf(all, 0, 20));
    WriteDomain(Path("validation.safetensors"), ClassesOf(all, 20, 25));
  }
  std::string Path(const std::string& file) const { return folder_ + "/" + file; }

 private:
  std::string folder_;
};

inline const BaseClasses& TheBaseClasses() {
  static const auto* const kClasses = new BaseClasses;
  return *kClasses;
}

// 3-way 1-shot episodes for a fresh mlp.
inline job::RunSpec FewShotSpec(const std::string& method) {
  job::RunSpec spec;
  spec.method = method;
  spec.architecture = "mlp";
  spec.normalization.mode = "none";
  spec.target = OpenFile(TheBaseClasses().Path("base.safetensors"));
  spec.inputs["validation"] = OpenFile(TheBaseClasses().Path("validation.safetensors"));
  spec.hyperparameters = {{"ways", int64_t{3}}, {"validation_episodes", int64_t{40}}};
  spec.seed = 3;
  spec.output_directory = NewFolder("few_shot");
  return spec;
}

// The classifier becomes the nearest of the mean features of classes 0 to 2, under the statistics
// of the batch.
inline void SetClassMeans(model::Model& model, const at::Tensor& inputs, const at::Tensor& labels) {
  const at::NoGradGuard no_grad;
  const at::Tensor features = model.Forward(inputs, model::Mode::kBatchStatistics).features;
  for (const model::Parameter& parameter : model.parameters()) {
    if (!parameter.head) continue;
    for (int64_t k = 0; k < 3; ++k) {
      const at::Tensor mean = features.index({labels.eq(k)}).mean(0);
      parameter.tensor[k].copy_(parameter.tensor.dim() == 1 ? -mean.square().sum() : 2 * mean);
    }
  }
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_METHODS_BASE_CLASSES_H_
