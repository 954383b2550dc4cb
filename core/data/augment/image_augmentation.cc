#include "core/data/augment/image_augmentation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace acclimate::data {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kLargestAspectRatio = 4.0 / 3.0;  // SimCLR (Chen et al. 2020), as Inception
// SimCLR blurs images of 224 pixels by 0.1 to 2; small images must still be changed by it.
constexpr double kLeastBlurPixels = 0.1;
constexpr double kMostBlurShareOfHeight = 2.0 / 224.0;
constexpr double kMostBlurPixelsAtLeast = 1.0;
constexpr double kLuma[] = {0.299, 0.587, 0.114};  // ITU-R BT.601

// [N, 1, 1, 1], to scale images by.
at::Tensor PerImage(const at::Tensor& values) { return values.view({-1, 1, 1, 1}); }

class Draw {
 public:
  Draw(int64_t count, const at::Device& device)
      : count_(count), options_(at::TensorOptions(at::kFloat).device(device)) {}

  at::Tensor Uniform(double low, double high) const {
    return at::rand({count_}, options_).mul_(high - low).add_(low);
  }
  // 1 with the probability, else 0.
  at::Tensor Chance(double probability) const {
    return at::rand({count_}, options_).lt(probability).to(at::kFloat);
  }
  at::Tensor Constant(double value) const { return at::full({count_}, value, options_); }

 private:
  const int64_t count_;
  const at::TensorOptions options_;
};

// A window of the image, turned about its own centre and mirrored: an output point (x, y) is read
// at centre + R (width mirror x, height y), with the rotation R in pixels.
at::Tensor DrawAffine(const ImageAugmentation& augmentation, const Draw& draw, double height,
                      double width) {
  at::Tensor window_width = draw.Constant(1), window_height = draw.Constant(1);
  at::Tensor centre_x = draw.Constant(0), centre_y = draw.Constant(0);
  if (augmentation.crop > 0) {
    const at::Tensor area = draw.Uniform(1 - augmentation.crop, 1);
    // Never so oblong that the window would leave the image.
    const at::Tensor most = area.log().neg_().clamp_max_(std::log(kLargestAspectRatio));
    const at::Tensor ratio = (draw.Uniform(-1, 1) * most).exp_();
    window_width = (area * ratio).sqrt_();
    window_height = (area / ratio).sqrt_();
    centre_x = draw.Uniform(-1, 1) * (1 - window_width);
    centre_y = draw.Uniform(-1, 1) * (1 - window_height);
  }
  const at::Tensor mirror = 1 - 2 * draw.Chance(augmentation.flip);
  const double most = augmentation.rotation_degrees * kPi / 180;
  const at::Tensor angle = draw.Uniform(-most, most);
  const at::Tensor cosine = angle.cos(), sine = angle.sin();
  const at::Tensor x_row = at::stack(
      {cosine * window_width * mirror, sine * window_height * (-height / width), centre_x}, 1);
  const at::Tensor y_row = at::stack(
      {sine * window_width * mirror * (width / height), cosine * window_height, centre_y}, 1);
  return at::stack({x_row, y_row}, 1);
}

at::Tensor ReadAt(const at::Tensor& affine, const at::Tensor& images) {
  constexpr int64_t kBilinear = 0, kBorder = 1;  // of grid_sampler
  const at::Tensor grid =
      at::affine_grid_generator(affine.to(images.scalar_type()), images.sizes(), false);
  return at::grid_sampler(images, grid, kBilinear, kBorder, false);
}

// [N, size, size]: row i of a matrix holds the weights of the pixels that make up pixel i. Rows
// sum to 1, so that borders do not darken.
at::Tensor BlurMatrices(const at::Tensor& pixels, int64_t size) {
  const at::Tensor place = at::arange(size, pixels.options());
  const at::Tensor squares = (place.unsqueeze(0) - place.unsqueeze(1)).square_();
  const at::Tensor width = pixels.clamp_min(1e-3).square().mul_(2).view({-1, 1, 1});
  return (squares.neg() / width).softmax(2);
}

at::Tensor Blur(const at::Tensor& pixels, const at::Tensor& images) {
  const at::Tensor widths = pixels.to(images.scalar_type());
  const at::Tensor rows = BlurMatrices(widths, images.size(2)).unsqueeze(1);     // [N, 1, H, H]
  const at::Tensor columns = BlurMatrices(widths, images.size(3)).unsqueeze(1);  // [N, 1, W, W]
  return rows.matmul(images).matmul(columns.transpose(2, 3));
}

at::Tensor Grey(const at::Tensor& images) {
  at::Tensor grey = images.select(1, 0) * kLuma[0];
  grey.add_(images.select(1, 1), kLuma[1]).add_(images.select(1, 2), kLuma[2]);
  return grey.unsqueeze(1);
}

}  // namespace

ImageTransform DrawImageTransform(const ImageAugmentation& augmentation, at::IntArrayRef sizes,
                                  const at::Device& device) {
  const double height = static_cast<double>(sizes[2]), width = static_cast<double>(sizes[3]);
  const Draw draw(sizes[0], device);
  const auto factor = [&draw](double most) { return draw.Uniform(1 - most, 1 + most); };
  ImageTransform transform;
  if (augmentation.crop > 0 || augmentation.flip > 0 || augmentation.rotation_degrees > 0) {
    transform.affine = DrawAffine(augmentation, draw, height, width);
  }
  if (augmentation.brightness > 0) {
    transform.brightness = draw.Uniform(-augmentation.brightness, augmentation.brightness);
  }
  if (augmentation.contrast > 0) transform.contrast = factor(augmentation.contrast);
  if (augmentation.saturation > 0 && sizes[1] == 3) {
    transform.saturation = factor(augmentation.saturation);
  }
  if (augmentation.tint > 0 && sizes[1] == 3) {
    const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
    transform.tint = (at::rand({sizes[0], 3, 1, 1}, options) * 2 - 1) * augmentation.tint;
  }
  if (augmentation.negative > 0) {
    transform.negative = draw.Chance(augmentation.negative).gt(0);
    transform.middle = augmentation.middle;
  }
  if (augmentation.blur > 0) {
    const double most = std::max(kMostBlurPixelsAtLeast, kMostBlurShareOfHeight * height);
    transform.blur_pixels = draw.Uniform(kLeastBlurPixels, most) * draw.Chance(augmentation.blur);
  }
  if (augmentation.noise > 0) {
    const at::Tensor strength = PerImage(draw.Uniform(0, augmentation.noise));
    transform.noise = at::randn(sizes, strength.options()) * strength;
  }
  return transform;
}

at::Tensor Apply(const ImageTransform& transform, const at::Tensor& images) {
  at::Tensor result = images;
  if (transform.affine.defined()) result = ReadAt(transform.affine, result);
  at::Tensor deviation;
  if (transform.brightness.defined() || transform.tint.defined() || transform.noise.defined()) {
    deviation = result.std(at::IntArrayRef({1, 2, 3}), /*unbiased=*/false, /*keepdim=*/true);
  }
  if (transform.brightness.defined()) {
    result = result + PerImage(transform.brightness) * deviation;
  }
  if (transform.contrast.defined()) {
    const at::Tensor mean = result.mean(at::IntArrayRef({1, 2, 3}), /*keepdim=*/true);
    result = mean + PerImage(transform.contrast) * (result - mean);
  }
  if (transform.saturation.defined()) {
    const at::Tensor grey = Grey(result);
    result = grey + PerImage(transform.saturation) * (result - grey);
  }
  if (transform.tint.defined()) result = result + transform.tint * deviation;
  if (transform.negative.defined()) {
    const at::Tensor ends =
        transform.middle.defined()
            ? 2 * transform.middle
            : result.amin({1, 2, 3}, /*keepdim=*/true) + result.amax({1, 2, 3}, /*keepdim=*/true);
    result = at::where(PerImage(transform.negative), ends - result, result);
  }
  if (transform.blur_pixels.defined()) result = Blur(transform.blur_pixels, result);
  if (transform.noise.defined()) result = result + transform.noise * deviation;
  return result;
}

}  // namespace acclimate::data
