#include <webp/decode.h>

#include "core/data/pictures/picture_decoder.h"

namespace acclimate::data {

absl::StatusOr<Pixels> DecodeWebp(absl::string_view bytes) {
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  int width = 0, height = 0;
  if (WebPGetInfo(data, bytes.size(), &width, &height) == 0) {
    return absl::InvalidArgumentError("its WebP header is damaged");
  }
  if (absl::Status status = CheckPictureSize(width, height); !status.ok()) return status;
  Pixels pixels;
  pixels.width = pixels.columns = width;
  pixels.height = pixels.rows = height;
  pixels.rgbx.resize(pixels.rows * pixels.columns * Pixels::kBytes);
  // The fourth byte is the opacity, which nobody reads.
  const int stride = static_cast<int>(pixels.columns * Pixels::kBytes);
  if (WebPDecodeRGBAInto(data, bytes.size(), pixels.rgbx.data(), pixels.rgbx.size(), stride) ==
      nullptr) {
    return absl::InvalidArgumentError("its WebP data are damaged or end early");
  }
  return pixels;
}

}  // namespace acclimate::data
