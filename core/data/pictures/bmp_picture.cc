// Bitmaps of Windows without compression: 1, 4 and 8 bits by a palette, 24 and 32 bits.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/data/pictures/picture_decoder.h"

namespace acclimate::data {
namespace {

// BITMAPFILEHEADER and BITMAPINFOHEADER.
constexpr size_t kFileHeaderBytes = 14, kInfoHeaderBytes = 40;

template <typename Integer>
Integer LittleEndianAt(absl::string_view bytes, size_t offset) {
  Integer value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

struct BmpHeader {
  int64_t width = 0, height = 0;
  bool top_down = false;
  int64_t bits = 0;      // of a pixel
  uint64_t data = 0;     // where the pixels begin
  uint64_t palette = 0;  // where the palette begins
  int64_t colours = 0;   // of the palette
};

absl::StatusOr<BmpHeader> ReadBmpHeader(absl::string_view bytes) {
  if (bytes.size() < kFileHeaderBytes + kInfoHeaderBytes) {
    return absl::InvalidArgumentError("the BMP file ends early");
  }
  BmpHeader header;
  header.data = LittleEndianAt<uint32_t>(bytes, 10);
  const uint64_t info_bytes = LittleEndianAt<uint32_t>(bytes, 14);
  header.width = LittleEndianAt<int32_t>(bytes, 18);
  header.height = LittleEndianAt<int32_t>(bytes, 22);
  header.top_down = header.height < 0;
  if (header.top_down) header.height = -header.height;
  header.bits = LittleEndianAt<uint16_t>(bytes, 28);
  const auto compression = LittleEndianAt<uint32_t>(bytes, 30);
  header.palette = kFileHeaderBytes + info_bytes;
  header.colours = LittleEndianAt<uint32_t>(bytes, 46);
  constexpr uint32_t kPlain = 0;
  const bool known = header.bits == 1 || header.bits == 4 || header.bits == 8 ||
                     header.bits == 24 || header.bits == 32;
  if (info_bytes < kInfoHeaderBytes || compression != kPlain || !known) {
    return absl::InvalidArgumentError(absl::StrCat("a BMP of ", header.bits, " bits, compression ",
                                                   compression, ", is not supported"));
  }
  if (header.bits <= 8 && header.colours == 0) header.colours = int64_t{1} << header.bits;
  if (header.colours > 256) header.colours = 256;
  if (absl::Status status = CheckPictureSize(header.width, header.height); !status.ok()) {
    return status;
  }
  return header;
}

// One pixel: blue, green, red in the file.
absl::Status CopyPixel(absl::string_view bytes, const BmpHeader& header, absl::string_view row,
                       int64_t column, uint8_t* to) {
  absl::string_view colour;
  if (header.bits >= 24) {
    colour = row.substr(column * header.bits / 8, 3);
  } else {
    const int64_t bit = column * header.bits;
    const int64_t shift = 8 - header.bits - bit % 8;
    const int64_t index = (static_cast<uint8_t>(row[bit / 8]) >> shift) & ((1 << header.bits) - 1);
    if (index >= header.colours)
      return absl::InvalidArgumentError("the BMP's palette is too short");
    colour = bytes.substr(header.palette + 4 * index, 3);
  }
  to[0] = static_cast<uint8_t>(colour[2]);
  to[1] = static_cast<uint8_t>(colour[1]);
  to[2] = static_cast<uint8_t>(colour[0]);
  to[3] = 0;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Pixels> DecodeBmp(absl::string_view bytes) {
  const absl::StatusOr<BmpHeader> header = ReadBmpHeader(bytes);
  if (!header.ok()) return header.status();
  const uint64_t row_bytes = (header->width * header->bits + 31) / 32 * 4;
  const uint64_t needed = row_bytes * header->height;
  if (header->data > bytes.size() || bytes.size() - header->data < needed ||
      (header->bits <= 8 && bytes.size() < header->palette + 4 * header->colours)) {
    return absl::InvalidArgumentError("the BMP file ends early");
  }
  Pixels pixels;
  pixels.width = pixels.columns = header->width;
  pixels.height = pixels.rows = header->height;
  pixels.rgbx.resize(pixels.rows * pixels.columns * Pixels::kBytes);
  for (int64_t row = 0; row < pixels.rows; ++row) {
    const int64_t stored = header->top_down ? row : pixels.rows - 1 - row;
    const absl::string_view line = bytes.substr(header->data + stored * row_bytes, row_bytes);
    for (int64_t column = 0; column < pixels.columns; ++column) {
      absl::Status status =
          CopyPixel(bytes, *header, line, column, pixels.Row(row) + column * Pixels::kBytes);
      if (!status.ok()) return status;
    }
  }
  return pixels;
}

}  // namespace acclimate::data
