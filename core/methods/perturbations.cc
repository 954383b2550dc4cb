#include "core/methods/perturbations.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/data/augment/augmentation.h"
#include "core/selection/predictions.h"
#include "core/shift/js_divergence.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr double kRadiansPerDegree = 0.017453292519943295;
// Jensen-Shannon divergence of pixels, in nats, above which an image of one domain does not look
// like one of the other: 0.05 and 0.08 between sets of scanned digits, 0.46 between digits on black
// and digits on photographs.
constexpr double kOtherPixels = 0.1;

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

// [n, C]: the values of pixels, at most kPlaces of each of kImages images.
at::Tensor Pixels(const data::Dataset& images, const at::Device& device) {
  constexpr int64_t kImages = 500, kPlaces = 1024;
  constexpr uint64_t kSeed = 1;
  const data::Dataset sample = selection::Sample(images, kImages, kSeed, /*labels=*/false);
  const std::vector<int64_t> shape = sample.sample_shape();
  const int64_t places = shape[1] * shape[2], batch = train::PassBatchSize(shape);
  const at::Tensor chosen =
      at::linspace(0, places - 1, std::min(places, kPlaces), at::kDouble).round().to(at::kLong);
  std::vector<at::Tensor> pixels;
  for (int64_t begin = 0; begin < sample.size(); begin += batch) {
    const int64_t end = std::min(begin + batch, sample.size());
    const at::Tensor planes = sample.Slice(begin, end, device).inputs.flatten(2).cpu();
    pixels.push_back(planes.index_select(2, chosen).transpose(1, 2).flatten(0, 1));
  }
  return at::cat(pixels);
}

// Of each domain, the target first: Pixels().
std::vector<at::Tensor> PixelsOfDomains(const MethodContext& context) {
  std::vector<at::Tensor> pixels = {Pixels(context.target, context.device)};
  for (const data::Dataset& source : context.sources) {
    pixels.push_back(Pixels(source, context.device));
  }
  return pixels;
}

bool LooksOtherwise(const std::vector<at::Tensor>& pixels) {
  constexpr int64_t kBins = 32;
  return pixels.size() > 1 &&
         std::all_of(pixels.begin() + 1, pixels.end(), [&](const at::Tensor& source) {
           return shift::HistogramJsDivergence(source, pixels.front(), kBins) > kOtherPixels;
         });
}

// [1, C, 1, 1]: halfway between the darkest and the brightest pixel of all domains.
at::Tensor MiddleOf(const std::vector<at::Tensor>& pixels, const at::Device& device) {
  at::Tensor lowest = pixels.front().amin(0), highest = pixels.front().amax(0);
  for (const at::Tensor& domain : pixels) {
    lowest = at::minimum(lowest, domain.amin(0));
    highest = at::maximum(highest, domain.amax(0));
  }
  return ((lowest + highest) / 2).to(device).view({1, -1, 1, 1});
}

Augmented ViewsOfTokens(const MethodContext& context, std::string strength) {
  if (strength == "auto") strength = "light";
  const int64_t mask =
      context.settings.Has(kMaskTokenSetting) ? context.settings.Integer(kMaskTokenSetting) : -1;
  if (mask < 0 || strength == "none") return {"none", {}};
  const double share = strength == "strong" ? 0.3 : 0.15;
  return {strength, [planes = context.target.planes() > 1, share, mask](const at::Tensor& tokens) {
            return WithMaskedTokens(tokens, planes, share, mask);
          }};
}

}  // namespace

bool Images(const data::Dataset& dataset) {
  return dataset.sample_shape().size() == 3 && !dataset.token_ids();
}

bool Vectors(const data::Dataset& dataset) {
  return dataset.sample_shape().size() == 1 && !dataset.token_ids();
}

PerturbationOptions ViewsOf(const data::Dataset& dataset, PerturbationOptions options) {
  if (dataset.token_ids()) options = {0, 0, false, 0, 0};
  return options;
}

at::Tensor Perturbed(const at::Tensor& inputs, const PerturbationOptions& options) {
  const at::Tensor views =
      inputs.dim() == 4 ? AffineViews(inputs, options) : ScaledViews(inputs, options);
  if (options.noise == 0) return views;
  return views + at::randn_like(views) * (options.noise * inputs.std(/*unbiased=*/false));
}

at::Tensor WithoutPatches(const at::Tensor& images, double ratio, int64_t patches) {
  const at::Tensor kept = at::rand({images.size(0), 1, patches, patches}, images.options())
                              .gt(ratio)
                              .to(images.scalar_type());
  return images * at::upsample_nearest2d(kept, {images.size(2), images.size(3)});
}

at::Tensor WithMaskedTokens(const at::Tensor& tokens, bool planes, double share, int64_t mask) {
  at::Tensor masked = tokens.clone();
  const at::Tensor ids = planes ? masked.select(1, 0) : masked;
  const at::Tensor rest = ids.slice(1, 1);
  rest.masked_fill_(at::rand_like(rest).lt(share), static_cast<double>(mask));
  return masked;
}

HyperparameterSpec AugmentSetting() {
  return ChoiceSetting(
      "augment",
      "How each sample of a batch is changed at random. light: an image is turned by up to 10 "
      "degrees, moved by up to a sixteenth of its width and resized by up to 10 %; of a vector a "
      "fifth of the features is set to their mean, of a series a window of up to a fifth. strong: "
      "an image's brightness, contrast, colours, blur and noise as well, and one in two is its "
      "negative; a half instead of a fifth. auto: strong for images whose pixels are distributed "
      "otherwise than those of the sources, else light",
      "auto", {"auto", "none", "light", "strong"});
}

HyperparameterSpec MaskTokenSetting() {
  return IntegerSetting(kMaskTokenSetting,
                        "For token ids: the id of the token that stands for a masked one, by which "
                        "views replace others at random, 15 % (light) or 30 % (strong) of each "
                        "sample. -1: there is none, and token ids have no views",
                        -1, -1, (int64_t{1} << 24) - 1);
}

Augmented ChooseViews(const MethodContext& context) {
  return ChooseViews(context, context.settings.Text("augment"));
}

Augmented ChooseViews(const MethodContext& context, std::string strength) {
  if (context.target.token_ids()) return ViewsOfTokens(context, std::move(strength));
  std::vector<at::Tensor> pixels;  // where they are looked at
  if (Images(context.target) &&
      (strength == "strong" || (strength == "auto" && !context.sources.empty()))) {
    pixels = PixelsOfDomains(context);
  }
  if (strength == "auto") strength = LooksOtherwise(pixels) ? "strong" : "light";
  if (strength == "none") return {strength, {}};
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
    options.images.tint = 1;
    options.images.negative = 0.5;
    if (!pixels.empty()) options.images.middle = MiddleOf(pixels, context.device);
    options.images.blur = 0.3;
    options.images.noise = 0.5;
  }
  const absl::StatusOr<data::Augmentation> changes =
      data::Augmentation::Create(options, context.target, context.device);
  if (!changes.ok()) return {strength, {}};  // neither images nor series nor vectors
  return {strength, [geometry, changes = *changes](const at::Tensor& inputs) {
            return changes.View(inputs.dim() == 4 ? Perturbed(inputs, geometry) : inputs);
          }};
}

}  // namespace acclimate::methods
