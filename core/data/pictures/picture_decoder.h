// Pictures as they lie in files: JPEG, PNG, WebP and BMP, recognised by their bytes.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PICTURE_DECODER_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PICTURE_DECODER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/pictures/picture_convention.h"
#include "core/data/pictures/pixels.h"

namespace acclimate::data {

// By the ending of the name, in either case.
bool HasPictureName(absl::string_view path);

// The sample of a picture, placement.columns x placement.rows of PlacementFor(). INVALID_ARGUMENT
// says what is wrong with the bytes, without a name. Thread-safe.
absl::StatusOr<Pixels> DecodePicture(absl::string_view bytes, const PictureConvention& convention);

// As a model takes them: channel after channel; grey is 0.299 red + 0.587 green + 0.114 blue, as
// Pillow's "L". `out` has channels * rows * columns bytes.
void ToPlanes(const Pixels& pixels, int64_t channels, uint8_t* out);

// One format each. A JPEG file is decoded at the size next above the one that is needed, and no
// more of it than the sample shows; the others as they are.
absl::StatusOr<Pixels> DecodeJpeg(absl::string_view bytes, const PictureConvention& convention);
absl::StatusOr<Pixels> DecodePng(absl::string_view bytes);
absl::StatusOr<Pixels> DecodeWebp(absl::string_view bytes);
absl::StatusOr<Pixels> DecodeBmp(absl::string_view bytes);

// Of a header: that there is something, and not too much.
absl::Status CheckPictureSize(int64_t width, int64_t height);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PICTURE_DECODER_H_
