#include <csetjmp>
#include <cstdio>  // for jpeglib.h

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <string>

#include "core/data/pictures/picture_decoder.h"
#include "core/data/pictures/placement.h"

namespace acclimate::data {
namespace {

// libjpeg's way to report: it jumps out of an error. No object with a destructor may be made
// between setjmp() and the jump.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void OnJpegError(j_common_ptr info) {
  auto* const errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->manager.format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

// A file that ends early, or holds damaged data, is only a warning to libjpeg.
void OnJpegWarning(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE) {
    OnJpegError(info);
  }
}

// libjpeg scales by eighths. The smallest picture that is not smaller than what is wanted. Of the
// reductions only halves have SIMD code.
void ChooseScale(const PictureConvention& convention, jpeg_decompress_struct* info) {
  info->scale_num = info->scale_denom = 1;
  if (convention.size == 0) return;
  const Placement whole = PlacementFor(info->image_width, info->image_height, convention);
  for (const unsigned int eighths : {1u, 2u, 4u}) {
    if (info->image_width * eighths >= 8 * static_cast<uint64_t>(whole.width) &&
        info->image_height * eighths >= 8 * static_cast<uint64_t>(whole.height)) {
      info->scale_num = eighths;
      info->scale_denom = 8;
      return;
    }
  }
}

// Columns and rows beside the needed ones, at which the colours of a part may differ from those of
// the whole.
constexpr int64_t kMargin = 8;

// Of ink, as Adobe's programs write it: inverted.
void InkToColours(uint8_t* pixel, int64_t count) {
  for (int64_t i = 0; i < count; ++i, pixel += Pixels::kBytes) {
    const unsigned int black = pixel[3];
    for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>((pixel[c] * black + 127) / 255);
  }
}

}  // namespace

absl::StatusOr<Pixels> DecodeJpeg(absl::string_view bytes, const PictureConvention& convention) {
  jpeg_decompress_struct info;
  JpegErrors errors;
  Pixels pixels;
  absl::Status status;
  info.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = OnJpegError;
  errors.manager.emit_message = OnJpegWarning;
  jpeg_create_decompress(&info);
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return absl::InvalidArgumentError(errors.message);
  }
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  status = CheckPictureSize(info.image_width, info.image_height);
  if (!status.ok()) {
    jpeg_destroy_decompress(&info);
    return status;
  }
  const bool ink = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = ink ? JCS_CMYK : JCS_EXT_RGBX;
  ChooseScale(convention, &info);
  jpeg_start_decompress(&info);
  pixels.width = info.output_width;
  pixels.height = info.output_height;
  const Placement placement = PlacementFor(pixels.width, pixels.height, convention);
  const Span columns = NeededSpan(pixels.width, placement.width, placement.left, placement.columns);
  const Span rows = NeededSpan(pixels.height, placement.height, placement.top, placement.rows);
  // Only where it pays: libjpeg begins at the left of a block.
  JDIMENSION left = static_cast<JDIMENSION>(std::max<int64_t>(0, columns.begin - kMargin));
  JDIMENSION width = static_cast<JDIMENSION>(std::min(pixels.width, columns.end + kMargin)) - left;
  if (width < info.output_width) jpeg_crop_scanline(&info, &left, &width);
  pixels.left = left;
  pixels.columns = info.output_width;
  pixels.top = rows.begin;
  pixels.rows = rows.end - rows.begin;
  pixels.rgbx.resize(pixels.rows * pixels.columns * Pixels::kBytes);
  if (rows.begin > 0) jpeg_skip_scanlines(&info, static_cast<JDIMENSION>(rows.begin));
  for (int64_t row = 0; row < pixels.rows;) {
    JSAMPROW line = pixels.Row(row);
    row += jpeg_read_scanlines(&info, &line, 1);
  }
  if (ink) InkToColours(pixels.rgbx.data(), pixels.rows * pixels.columns);
  jpeg_destroy_decompress(&info);
  return pixels;
}

}  // namespace acclimate::data
