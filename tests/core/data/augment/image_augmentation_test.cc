#include "core/data/augment/image_augmentation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace acclimate::data {
namespace {

ImageAugmentation Everything() {
  ImageAugmentation augmentation;
  augmentation.crop = 0.6;
  augmentation.flip = 0.5;
  augmentation.rotation_degrees = 25;
  augmentation.brightness = 0.5;
  augmentation.contrast = 0.4;
  augmentation.saturation = 0.6;
  augmentation.tint = 0.3;
  augmentation.negative = 0.4;
  augmentation.blur = 0.7;
  augmentation.noise = 0.5;
  return augmentation;
}

ImageTransform Sample(const ImageTransform& transform, int64_t i) {
  const auto row = [i](const at::Tensor& all) {
    return all.defined() ? all.narrow(0, i, 1) : at::Tensor();
  };
  return {row(transform.affine),     row(transform.brightness),  row(transform.contrast),
          row(transform.saturation), row(transform.tint),        row(transform.negative),
          transform.middle,          row(transform.blur_pixels), row(transform.noise)};
}

// One image as nested loops would have it.
class Picture {
 public:
  explicit Picture(const at::Tensor& image)
      : channels_(image.size(0)), height_(image.size(1)), width_(image.size(2)) {
    const at::Tensor values = image.to(at::kDouble).contiguous();
    pixels_.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  }

  double& At(int64_t c, int64_t y, int64_t x) { return pixels_[(c * height_ + y) * width_ + x]; }
  double Border(int64_t c, int64_t y, int64_t x) {
    return At(c, std::clamp<int64_t>(y, 0, height_ - 1), std::clamp<int64_t>(x, 0, width_ - 1));
  }

  void ReadAt(const at::Tensor& affine) {
    const auto m = affine.accessor<float, 2>();
    Picture result = *this;
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x) {
        const double u = (2 * x + 1.0) / width_ - 1, v = (2 * y + 1.0) / height_ - 1;
        // The border is repeated: places outside are moved to it.
        const double px = std::clamp(((m[0][0] * u + m[0][1] * v + m[0][2] + 1) * width_ - 1) / 2,
                                     0.0, width_ - 1.0);
        const double py = std::clamp(((m[1][0] * u + m[1][1] * v + m[1][2] + 1) * height_ - 1) / 2,
                                     0.0, height_ - 1.0);
        const int64_t x0 = std::floor(px), y0 = std::floor(py);
        const double fx = px - x0, fy = py - y0;
        for (int64_t c = 0; c < channels_; ++c) {
          result.At(c, y, x) =
              (1 - fy) * ((1 - fx) * Border(c, y0, x0) + fx * Border(c, y0, x0 + 1)) +
              fy * ((1 - fx) * Border(c, y0 + 1, x0) + fx * Border(c, y0 + 1, x0 + 1));
        }
      }
    }
    *this = result;
  }

  double Mean() const {
    double sum = 0;
    for (const double pixel : pixels_) sum += pixel;
    return sum / pixels_.size();
  }
  double Deviation() const {
    double squares = 0;
    const double mean = Mean();
    for (const double pixel : pixels_) squares += (pixel - mean) * (pixel - mean);
    return std::sqrt(squares / pixels_.size());
  }
  void Brighten(double shift) {
    for (double& pixel : pixels_) pixel += shift;
  }
  void Add(const at::Tensor& noise, double factor) {
    const at::Tensor values = noise.contiguous();
    for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] += factor * values.data_ptr<float>()[i];
  }
  void Contrast(double factor) {
    const double mean = Mean();
    for (double& pixel : pixels_) pixel = mean + factor * (pixel - mean);
  }
  void Saturate(double factor) {
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x) {
        const double grey = 0.299 * At(0, y, x) + 0.587 * At(1, y, x) + 0.114 * At(2, y, x);
        for (int64_t c = 0; c < 3; ++c) At(c, y, x) = grey + factor * (At(c, y, x) - grey);
      }
    }
  }
  void Tint(const at::Tensor& shifts, double factor) {
    for (int64_t c = 0; c < channels_; ++c) {
      for (int64_t y = 0; y < height_; ++y) {
        for (int64_t x = 0; x < width_; ++x) At(c, y, x) += factor * shifts[c].item<double>();
      }
    }
  }
  void Negate() {
    const auto [least, most] = std::minmax_element(pixels_.begin(), pixels_.end());
    const double ends = *least + *most;
    for (double& pixel : pixels_) pixel = ends - pixel;
  }
  void Blur(double sigma) {
    if (sigma == 0) return;
    Picture result = *this;
    const auto weight = [sigma](int64_t offset) {
      return std::exp(-offset * offset / (2 * sigma * sigma));
    };
    for (int64_t c = 0; c < channels_; ++c) {
      for (int64_t y = 0; y < height_; ++y) {
        for (int64_t x = 0; x < width_; ++x) {
          double sum = 0, weights = 0;
          for (int64_t v = 0; v < height_; ++v) {
            for (int64_t u = 0; u < width_; ++u) {
              const double w = weight(v - y) * weight(u - x);
              sum += w * At(c, v, u);
              weights += w;
            }
          }
          result.At(c, y, x) = sum / weights;
        }
      }
    }
    *this = result;
  }

  at::Tensor ToTensor() const {
    return at::tensor(pixels_, at::kDouble).view({channels_, height_, width_}).to(at::kFloat);
  }

 private:
  int64_t channels_, height_, width_;
  std::vector<double> pixels_;
};

class ImageAugmentationTest : public ::testing::TestWithParam<int64_t> {
 protected:
  ImageAugmentationTest() { at::manual_seed(5); }
};

TEST_P(ImageAugmentationTest, EqualsImageByImageLoops) {
  const at::Tensor images = at::rand({6, GetParam(), 8, 11});
  const ImageTransform transform = DrawImageTransform(Everything(), images.sizes(), at::kCPU);
  EXPECT_EQ(transform.saturation.defined(), GetParam() == 3);
  EXPECT_EQ(transform.tint.defined(), GetParam() == 3);
  const at::Tensor result = Apply(transform, images);
  for (int64_t i = 0; i < images.size(0); ++i) {
    Picture picture(images[i]);
    picture.ReadAt(transform.affine[i]);
    const double deviation = picture.Deviation();
    picture.Brighten(transform.brightness[i].item<double>() * deviation);
    picture.Contrast(transform.contrast[i].item<double>());
    if (GetParam() == 3) picture.Saturate(transform.saturation[i].item<double>());
    if (GetParam() == 3) picture.Tint(transform.tint[i].flatten(), deviation);
    if (transform.negative[i].item<bool>()) picture.Negate();
    picture.Blur(transform.blur_pixels[i].item<double>());
    picture.Add(transform.noise[i], deviation);
    EXPECT_TRUE(at::allclose(result[i], picture.ToTensor(), 1e-4, 1e-4)) << "image " << i;
    // And each sample is changed by its own draw alone.
    const at::Tensor alone = Apply(Sample(transform, i), images.narrow(0, i, 1))[0];
    EXPECT_TRUE(at::allclose(result[i], alone, 1e-5, 1e-5)) << "image " << i;
  }
}

TEST_P(ImageAugmentationTest, NothingIsChangedAtStrengthZero) {
  const at::Tensor images = at::rand({3, GetParam(), 9, 7});
  EXPECT_TRUE(Apply(DrawImageTransform({}, images.sizes(), at::kCPU), images).equal(images));
}

TEST_P(ImageAugmentationTest, TheSeedDecidesAndSamplesDiffer) {
  const at::Tensor images = at::rand({1, GetParam(), 9, 9}).repeat({4, 1, 1, 1});
  const auto view = [&] {
    return Apply(DrawImageTransform(Everything(), images.sizes(), at::kCPU), images);
  };
  at::manual_seed(9);
  const at::Tensor first = view(), second = view();
  at::manual_seed(9);
  EXPECT_TRUE(view().equal(first));
  EXPECT_FALSE(first.equal(second));
  for (int64_t i = 1; i < 4; ++i) EXPECT_FALSE(at::allclose(first[i], first[0], 1e-3, 1e-3));
  EXPECT_EQ(first.sizes(), images.sizes());
}

// So that it is the same before and after a normalisation.
TEST_P(ImageAugmentationTest, CommutesWithAGainAndAnOffset) {
  const at::Tensor images = at::rand({4, GetParam(), 8, 8});
  const ImageTransform transform = DrawImageTransform(Everything(), images.sizes(), at::kCPU);
  EXPECT_TRUE(
      at::allclose(Apply(transform, images * 3 - 2), Apply(transform, images) * 3 - 2, 1e-4, 1e-4));
}

TEST_P(ImageAugmentationTest, NegativesAboutOneMiddleHaveTheSameMeanWhateverTheBrightness) {
  ImageAugmentation augmentation;
  augmentation.negative = 0.5;
  augmentation.middle = at::full({1, GetParam(), 1, 1}, 0.25);
  const at::Tensor images = at::rand({500, GetParam(), 4, 4});
  for (const double brightness : {-1.0, 0.0, 2.0}) {
    const at::Tensor bright = images + brightness;
    const ImageTransform transform = DrawImageTransform(augmentation, bright.sizes(), at::kCPU);
    const at::Tensor views = Apply(transform, bright);
    for (int64_t i = 0; i < 5; ++i) {
      const bool negative = transform.negative[i].item<bool>();
      EXPECT_TRUE(at::allclose(views[i], negative ? 0.5 - bright[i] : bright[i]));
    }
    EXPECT_NEAR(views.mean().item<double>(), 0.25, 0.3);
  }
}

INSTANTIATE_TEST_SUITE_P(Channels, ImageAugmentationTest, ::testing::Values(1, 3));

TEST(ImageTransformTest, DrawsAreWithinTheirRanges) {
  at::manual_seed(6);
  const ImageAugmentation augmentation = Everything();
  const ImageTransform drawn = DrawImageTransform(augmentation, {2000, 3, 20, 20}, at::kCPU);
  const auto within = [](const at::Tensor& values, double low, double high) {
    const double least = values.min().item<double>(), most = values.max().item<double>();
    const double margin = 0.02 * (high - low);
    EXPECT_GE(least, low - 1e-5);
    EXPECT_LE(most, high + 1e-5);
    EXPECT_LT(least, low + margin);  // and they fill them
    EXPECT_GT(most, high - margin);
  };
  within(drawn.brightness, -0.5, 0.5);
  within(drawn.contrast, 0.6, 1.4);
  within(drawn.saturation, 0.4, 1.6);
  within(drawn.tint, -0.3, 0.3);
  within(drawn.blur_pixels, 0, 1);
  EXPECT_NEAR(drawn.negative.to(at::kDouble).mean().item<double>(), 0.4, 0.05);
  const at::Tensor noise = drawn.noise.flatten(1).std(1);  // of 1200 values: to some per cent
  EXPECT_LT(noise.min().item<double>(), 0.02);
  EXPECT_NEAR(noise.max().item<double>(), 0.5, 0.06);
  EXPECT_NEAR(drawn.blur_pixels.gt(0).to(at::kDouble).mean().item<double>(), 0.7, 0.05);
  // Of a square image, affine = rotation times the window's sizes: the area is the determinant,
  // mirrored where it is negative, and the window's corners stay inside before it is turned.
  const at::Tensor linear = drawn.affine.narrow(2, 0, 2).to(at::kDouble);
  const at::Tensor area = at::linalg_det(linear);
  EXPECT_NEAR(area.lt(0).to(at::kDouble).mean().item<double>(), 0.5, 0.05);
  within(area.abs(), 0.4, 1);
  const at::Tensor angle =
      (linear.select(1, 1).select(1, 0) / linear.select(1, 0).select(1, 0)).atan();
  within(angle.mul(180 / 3.14159265), -25, 25);
  const at::Tensor sizes = linear.square().sum(1).sqrt();  // width, height of the window
  EXPECT_LE((sizes + drawn.affine.select(2, 2).abs()).max().item<double>(), 1 + 1e-5);
}

TEST(ImageTransformTest, AFlipIsTheMirrorImage) {
  ImageAugmentation augmentation;
  augmentation.flip = 1;
  const at::Tensor images = at::rand({2, 1, 6, 7});
  const at::Tensor result =
      Apply(DrawImageTransform(augmentation, images.sizes(), at::kCPU), images);
  EXPECT_TRUE(at::allclose(result, images.flip(3), 1e-5, 1e-5));
}

}  // namespace
}  // namespace acclimate::data
