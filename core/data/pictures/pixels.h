// A decoded picture, or the part of it that is needed.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PIXELS_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PIXELS_H_

#include <cstdint>
#include <vector>

namespace acclimate::data {

// Four bytes a pixel: red, green, blue, and one without meaning.
struct Pixels {
  static constexpr int64_t kBytes = 4;

  int64_t width = 0, height = 0;  // of the whole picture
  int64_t left = 0, top = 0;      // where the part lies in it
  int64_t columns = 0, rows = 0;  // of the part
  std::vector<uint8_t> rgbx;      // rows * columns * kBytes

  const uint8_t* Row(int64_t row) const { return rgbx.data() + row * columns * kBytes; }
  uint8_t* Row(int64_t row) { return rgbx.data() + row * columns * kBytes; }
};

// A picture with more pixels is taken for a trap: it would need half a gigabyte.
inline constexpr int64_t kMostPixels = int64_t{1} << 27;

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PIXELS_H_
