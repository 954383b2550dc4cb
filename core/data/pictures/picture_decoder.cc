#include "core/data/pictures/picture_decoder.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/data/pictures/placement.h"
#include "core/data/pictures/resample.h"

namespace acclimate::data {
namespace {

constexpr absl::string_view kJpegMagic = "\xFF\xD8\xFF", kPngMagic = "\x89PNG\r\n\x1A\n",
                            kBmpMagic = "BM", kRiffMagic = "RIFF", kWebpMagic = "WEBP";
constexpr size_t kWebpMagicAt = 8;

absl::StatusOr<Pixels> DecodeAny(absl::string_view bytes, const PictureConvention& convention) {
  if (absl::StartsWith(bytes, kJpegMagic)) return DecodeJpeg(bytes, convention);
  if (absl::StartsWith(bytes, kPngMagic)) return DecodePng(bytes);
  if (absl::StartsWith(bytes, kBmpMagic)) return DecodeBmp(bytes);
  if (absl::StartsWith(bytes, kRiffMagic) && bytes.size() > kWebpMagicAt &&
      absl::StartsWith(bytes.substr(kWebpMagicAt), kWebpMagic)) {
    return DecodeWebp(bytes);
  }
  return absl::InvalidArgumentError(bytes.empty() ? "empty" : "neither JPEG, PNG, WebP nor BMP");
}

}  // namespace

bool HasPictureName(absl::string_view path) {
  for (absl::string_view ending : {".jpg", ".jpeg", ".png", ".webp", ".bmp"}) {
    if (absl::EndsWithIgnoreCase(path, ending)) return true;
  }
  return false;
}

absl::StatusOr<Pixels> DecodePicture(absl::string_view bytes, const PictureConvention& convention) {
  absl::StatusOr<Pixels> pixels = DecodeAny(bytes, convention);
  if (!pixels.ok()) return pixels;
  if (convention.size == 0) return pixels;
  return Resample(*pixels, PlacementFor(pixels->width, pixels->height, convention));
}

void ToPlanes(const Pixels& pixels, int64_t channels, uint8_t* out) {
  const int64_t count = pixels.rows * pixels.columns;
  const uint8_t* pixel = pixels.rgbx.data();
  if (channels == 1) {
    // Pillow's whole numbers of 2^-16.
    for (int64_t i = 0; i < count; ++i, pixel += Pixels::kBytes) {
      out[i] = static_cast<uint8_t>(
          (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i, pixel += Pixels::kBytes) {
    out[i] = pixel[0];
    out[count + i] = pixel[1];
    out[2 * count + i] = pixel[2];
  }
}

absl::Status CheckPictureSize(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) return absl::InvalidArgumentError("has no pixels");
  if (width > kMostPixels / height) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", width, " x ", height, " pixels, more than ", kMostPixels));
  }
  return absl::OkStatus();
}

}  // namespace acclimate::data
