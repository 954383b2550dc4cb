// Random changes of images that leave their content, one drawn for each image of a batch, all of
// them applied together.
#ifndef ACCLIMATE_CORE_DATA_AUGMENT_IMAGE_AUGMENTATION_H_
#define ACCLIMATE_CORE_DATA_AUGMENT_IMAGE_AUGMENTATION_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::data {

// How strong each change may be; 0: off.
struct ImageAugmentation {
  double crop = 0;              // a crop leaves a share of the area in [1 - crop, 1], crop < 1
  double flip = 0;              // probability of the mirror image
  double rotation_degrees = 0;  // either way
  double brightness = 0;        // shift, in standard deviations of the image, either way
  double contrast = 0;          // factor about the image's mean in [1 - contrast, 1 + contrast]
  double saturation = 0;        // factor about the pixel's grey, likewise; 3 channels only
  double tint = 0;              // shift of each channel by itself, as brightness; 3 channels only
  double negative = 0;          // probability of the negative, 2 middle - x
  // [1, C, 1, 1] on the images' device; undefined: the middle of each image's own range. Domains
  // whose brightness differs have the same mean under negatives about one middle, and not under
  // negatives about each image's own.
  at::Tensor middle = {};
  double blur = 0;   // probability of a Gaussian blur
  double noise = 0;  // Gaussian, of a deviation in [0, noise] standard deviations of the image
};

// One draw for each of N images; undefined tensors change nothing.
struct ImageTransform {
  at::Tensor affine;       // [N, 2, 3]: where in the image, [-1, 1]^2, each output point is read
  at::Tensor brightness;   // [N]
  at::Tensor contrast;     // [N]
  at::Tensor saturation;   // [N]
  at::Tensor tint;         // [N, 3, 1, 1]
  at::Tensor negative;     // bool [N]
  at::Tensor middle;       // that of the augmentation
  at::Tensor blur_pixels;  // [N]: standard deviation; 0 for images that are not blurred
  at::Tensor noise;        // [N, C, H, W], in standard deviations of the image
};

// From the default generator of `device`, for [count, channels, height, width].
ImageTransform DrawImageTransform(const ImageAugmentation& augmentation, at::IntArrayRef sizes,
                                  const at::Device& device);

// images: float [N, C, H, W] -> the same shape. In order: geometry (bilinear, borders repeated),
// brightness, contrast, saturation, tint, negative, blur, noise; the standard deviation of an image
// is that after the geometry. Values are not clipped. Every change commutes with x -> a x + b, so
// that it is the same before and after a normalisation.
at::Tensor Apply(const ImageTransform& transform, const at::Tensor& images);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_AUGMENT_IMAGE_AUGMENTATION_H_
