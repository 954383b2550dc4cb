// Random views of a batch, small enough to leave the class as it is: those that CoTTA (Wang et al.,
// CVPR 2022) averages over, and those that methods train on.
#ifndef ACCLIMATE_CORE_METHODS_PERTURBATIONS_H_
#define ACCLIMATE_CORE_METHODS_PERTURBATIONS_H_

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/methods/method.h"

namespace acclimate::methods {

struct PerturbationOptions {
  // Images, [N, C, H, W]: one affine map a sample, bilinear, with the border's values outside.
  double degrees = 15.0;      // rotation, up to
  double shift = 1.0 / 16.0;  // of height and width, up to
  bool flip = false;          // left-right, one sample in two: never for digits and writing
  // Images and everything else: a factor a sample in [1 - scale, 1 + scale] (the size of an image,
  // the values of a vector), and noise relative to the batch's standard deviation.
  double scale = 0.1;
  double noise = 0.005;
};

// inputs: float [N, ...] -> the same shape. Draws from the default generator of its device.
at::Tensor Perturbed(const at::Tensor& inputs, const PerturbationOptions& options);

// images: float [N, C, H, W], cut into patches x patches parts, of which each is set to zero, the
// mean of normalised pixels, with the probability `ratio` (Hoyer et al., "MIC", CVPR 2023).
at::Tensor WithoutPatches(const at::Tensor& images, double ratio, int64_t patches);

// Samples are [C, H, W], or [D]; token ids are neither.
bool Images(const data::Dataset& dataset);
bool Vectors(const data::Dataset& dataset);
// The options, but none where samples have no views: token ids.
PerturbationOptions ViewsOf(const data::Dataset& dataset, PerturbationOptions options);

// tokens: float [N, L], or [N, k, L] whose first plane they are. Each but the first of a sample,
// which stands for the whole in many networks, becomes `mask` with the probability `share`.
at::Tensor WithMaskedTokens(const at::Tensor& tokens, bool planes, double share, int64_t mask);

// `augment`: the views that a method trains on instead of the samples themselves.
HyperparameterSpec AugmentSetting();
// `mask_token`, the name of that setting: what views of token ids need, which have none without it.
constexpr char kMaskTokenSetting[] = "mask_token";
HyperparameterSpec MaskTokenSetting();
struct Augmented {
  std::string strength;  // none, light or strong
  train::View view;      // of a whole batch; empty for `none`, and for samples of a shape that
                         // nothing is known about
};
// By the setting, or by `strength` in its place. auto is strong where the pixels of the target are
// distributed otherwise than those of every source, and light elsewhere.
Augmented ChooseViews(const MethodContext& context);
Augmented ChooseViews(const MethodContext& context, std::string strength);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_PERTURBATIONS_H_
