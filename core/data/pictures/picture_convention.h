// How pictures become samples; free of LibTorch.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PICTURE_CONVENTION_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PICTURE_CONVENTION_H_

#include <cstdint>

namespace acclimate::data {

// The shorter side is resized to `resize`, then the centre of `size` x `size` is cut out, as
// torchvision's Resize and CenterCrop do.
struct PictureConvention {
  int64_t size = 0;               // 0: all pictures have one size, height x width, and keep it
  int64_t resize = 0;             // at least `size`; 0: as `size`
  int64_t channels = 0;           // 3: colours; 1: grey; 0: 3
  int64_t height = 0, width = 0;  // where `size` is 0; 0: those of the first picture
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PICTURE_CONVENTION_H_
