#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include "core/data/pictures/picture_decoder.h"

namespace acclimate::data {
namespace {

// The bytes that are left, and what went wrong.
struct PngSource {
  absl::string_view rest;
  char message[256] = "";
};

void ReadPngBytes(png_structp png, png_bytep to, size_t size) {
  auto* const source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (size > source->rest.size()) png_error(png, "the file ends early");
  std::memcpy(to, source->rest.data(), size);
  source->rest.remove_prefix(size);
}

void OnPngError(png_structp png, png_const_charp message) {
  auto* const source = static_cast<PngSource*>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof(source->message) - 1);
  longjmp(png_jmpbuf(png), 1);
}

void OnPngWarning(png_structp, png_const_charp) {}

// Any form of PNG as four bytes a pixel, the last without meaning. Colours are taken as they are
// stored, whatever the file says of its display.
void AskForColours(png_structp png) {
  png_set_expand(png);  // palettes, and grey of fewer than 8 bits
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_filler(png, 0, PNG_FILLER_AFTER);
  png_set_interlace_handling(png);
}

}  // namespace

absl::StatusOr<Pixels> DecodePng(absl::string_view bytes) {
  PngSource source{bytes, ""};
  Pixels pixels;
  absl::Status status;
  std::vector<png_bytep> rows;
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, OnPngError, OnPngWarning);
  if (png == nullptr) return absl::ResourceExhaustedError("out of memory");
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_read_struct(&png, &info, nullptr);
    return absl::InvalidArgumentError(source.message);
  }
  png_set_read_fn(png, &source, ReadPngBytes);
  png_read_info(png, info);
  pixels.width = pixels.columns = png_get_image_width(png, info);
  pixels.height = pixels.rows = png_get_image_height(png, info);
  status = CheckPictureSize(pixels.width, pixels.height);
  if (!status.ok()) {
    png_destroy_read_struct(&png, &info, nullptr);
    return status;
  }
  AskForColours(png);
  png_read_update_info(png, info);
  pixels.rgbx.resize(pixels.rows * pixels.columns * Pixels::kBytes);
  rows.resize(pixels.rows);
  for (int64_t row = 0; row < pixels.rows; ++row) rows[row] = pixels.Row(row);
  png_read_image(png, rows.data());
  png_destroy_read_struct(&png, &info, nullptr);
  return pixels;
}

}  // namespace acclimate::data
