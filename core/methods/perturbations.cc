#include "core/methods/perturbations.h"

#include <torch/types.h>

#include <string>
#include <vector>

#include "core/data/augment/augmentation.h"

namespace acclimate::methods {
namespace {

constexpr double kRadiansPerDegree = 0.017453292519943295;

// Uniform in [-extent, extent].
at::Tensor Uniform(const at::Tensor& like, at::IntArrayRef shape, double extent) {
  return (at::rand(shape, like.options()) * 2 - 1) * extent;
}

at::Tensor AffineViews(const at::Tensor& images, const PerturbationOptions& options) {
  const int64_t samples = images.size(0);
  const at::Tensor angle = Uniform(images, {samples}, options.degrees * kRadiansPerDegree);
  const at::Tensor size = 1 + Uniform(images, {samples}, options.scale);
  // Coordinates run from -1 to 1: a shift of one image is 2.
  const at::Tensor shift = Uniform(images, {samples, 2, 1}, 2 * options.shift);
  const at::Tensor cosine = angle.cos() / size, sine = angle.sin() / size;
  const at::Tensor mirror =
      options.flip ? at::rand({samples}, images.options()).lt(0.5).to(images.scalar_type()) * 2 - 1
                   : at::ones({samples}, images.options());
  const at::Tensor rows =
      at::stack({at::stack({cosine * mirror, -sine}, 1), at::stack({sine * mirror, cosine}, 1)}, 1);
  const at::Tensor grid =
      at::affine_grid_generator(at::cat({rows, shift}, 2), images.sizes(), /*align_corners=*/false);
  constexpr int64_t kBilinear = 0, kBorder = 1;
  return at::grid_sampler(images, grid, kBilinear, kBorder, /*align_corners=*/false);
}

at::Tensor ScaledViews(const at::Tensor& inputs, const PerturbationOptions& options) {
  std::vector<int64_t> shape(inputs.dim(), 1);
  shape[0] = inputs.size(0);
  return inputs * (1 + Uniform(inputs, shape, options.scale));
}

}  // namespace

at::Tensor Perturbed(const at::Tensor& inputs, const PerturbationOptions& options) {
  const at::Tensor views =
      inputs.dim() == 4 ? AffineViews(inputs, options) : ScaledViews(inputs, options);
  if (options.noise == 0) return views;
  return views + at::randn_like(views) * (options.noise * inputs.std(/*unbiased=*/false));
}

HyperparameterSpec AugmentSetting() {
  return ChoiceSetting(
      "augment",
      "How each sample of a batch is changed at random. light: an image is turned by up to 10 "
      "degrees, "
      "moved by up to a sixteenth of its width and resized by up to 10 %; of a vector a fifth of "
      "the "
      "features is set to their mean, of a series a window of up to a fifth. strong: an image's "
      "brightness, contrast, saturation, blur and noise as well, and one in two is its own "
      "negative; a half instead of a fifth",
      "light", {"none", "light", "strong"});
}

train::View TrainingViews(const MethodContext& context) {
  const std::string strength = context.settings.Text("augment");
  if (strength == "none") return {};
  const bool strong = strength == "strong";
  PerturbationOptions geometry;
  geometry.degrees = 10;
  geometry.noise = 0;
  data::AugmentationOptions options;
  options.series.masking = strong ? 0.5 : 0.2;
  if (strong) {
    options.images.brightness = 1;
    options.images.contrast = 0.6;
    options.images.saturation = 0.5;
    options.images.negative = 0.5;
    options.images.blur = 0.3;
    options.images.noise = 0.5;
  }
  const absl::StatusOr<data::Augmentation> changes =
      data::Augmentation::Create(options, context.target, context.device);
  if (!changes.ok()) return {};  // neither images nor series nor vectors
  return [geometry, changes = *changes](const at::Tensor& inputs) {
    return changes.View(inputs.dim() == 4 ? Perturbed(inputs, geometry) : inputs);
  };
}

}  // namespace acclimate::methods
