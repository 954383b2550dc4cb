#include "core/data/pictures/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace acclimate::data {
namespace {

// Weights are whole numbers of 2^-kWeightBits: sums of bytes by them stay within 16 bits.
constexpr int kWeightBits = 8;
constexpr uint16_t kRounding = 1 << (kWeightBits - 1);
constexpr int64_t kChannels = Pixels::kBytes;

// GCC and Clang make SIMD instructions of these on every processor.
constexpr int64_t kLanes = 8;
typedef uint16_t Sums __attribute__((vector_size(kLanes * sizeof(uint16_t))));
typedef uint8_t Bytes __attribute__((vector_size(kLanes)));

// What one place of the result is made of.
struct Taps {
  int64_t begin = 0;              // the first place that it reads, counted within the part
  std::vector<uint16_t> weights;  // from there on
};

// Of places [left, left + count) of an axis that is resized from `from` to `to`, of which the part
// begins at `part`.
std::vector<Taps> MakeTaps(int64_t from, int64_t to, int64_t left, int64_t count, int64_t part) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> all(count);
  std::vector<double> weights;
  for (int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(left + i) + 0.5) * scale;
    const auto begin = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const auto end = std::min(from, static_cast<int64_t>(centre + support + 0.5));
    weights.clear();
    double total = 0;
    for (int64_t place = begin; place < end; ++place) {
      const double distance = std::abs((static_cast<double>(place) + 0.5 - centre) / support);
      weights.push_back(std::max(0.0, 1 - distance));
      total += weights.back();
    }
    Taps& taps = all[i];
    taps.begin = begin - part;
    int rest = 1 << kWeightBits;
    for (const double weight : weights) {
      taps.weights.push_back(
          static_cast<uint16_t>(std::lrint(weight / total * (1 << kWeightBits))));
      rest -= taps.weights.back();
    }
    // What rounding left goes to the largest, so that a flat picture stays as it is.
    auto largest = std::max_element(taps.weights.begin(), taps.weights.end());
    *largest = static_cast<uint16_t>(*largest + rest);
  }
  return all;
}

// kLanes bytes of a row of the result; the rows that it is made of begin at `from`.
void SumBlock(const uint8_t* from, int64_t stride, const std::vector<uint16_t>& weights,
              uint8_t* to) {
  Sums sums = Sums{} + kRounding;
  for (const uint16_t weight : weights) {
    Bytes bytes;
    std::memcpy(&bytes, from, sizeof(bytes));
    sums += __builtin_convertvector(bytes, Sums) * weight;
    from += stride;
  }
  const Bytes bytes = __builtin_convertvector(sums >> kWeightBits, Bytes);
  std::memcpy(to, &bytes, sizeof(bytes));
}

void SumByte(const uint8_t* from, int64_t stride, const std::vector<uint16_t>& weights,
             uint8_t* to) {
  uint32_t sum = kRounding;
  for (const uint16_t weight : weights) {
    sum += *from * weight;
    from += stride;
  }
  *to = static_cast<uint8_t>(sum >> kWeightBits);
}

// Rows [top, top + count) of the picture with `height` rows, all columns of the part.
Pixels ResampleRows(const Pixels& pixels, int64_t height, int64_t top, int64_t count) {
  Pixels result;
  result.width = pixels.width;
  result.height = height;
  result.left = pixels.left;
  result.top = top;
  result.columns = pixels.columns;
  result.rows = count;
  const int64_t row_bytes = result.columns * kChannels;
  result.rgbx.resize(count * row_bytes);
  const std::vector<Taps> taps = MakeTaps(pixels.height, height, top, count, pixels.top);
  for (int64_t row = 0; row < count; ++row) {
    const Taps& of_row = taps[row];
    const uint8_t* const from = pixels.Row(of_row.begin);
    uint8_t* const to = result.Row(row);
    if (row_bytes < kLanes) {
      for (int64_t at = 0; at < row_bytes; ++at) {
        SumByte(from + at, row_bytes, of_row.weights, to + at);
      }
      continue;
    }
    // The last block ends with the row, and may overlap the one before it.
    for (int64_t at = 0; at < row_bytes; at += kLanes) {
      const int64_t begin = std::min(at, row_bytes - kLanes);
      SumBlock(from + begin, row_bytes, of_row.weights, to + begin);
    }
  }
  return result;
}

// Rows as columns. In squares, which stay in the nearest cache.
Pixels Transposed(const Pixels& pixels) {
  constexpr int64_t kSide = 16;
  Pixels result;
  result.width = pixels.height;
  result.height = pixels.width;
  result.left = pixels.top;
  result.top = pixels.left;
  result.columns = pixels.rows;
  result.rows = pixels.columns;
  result.rgbx.resize(pixels.rgbx.size());
  const uint8_t* const from = pixels.rgbx.data();
  uint8_t* const to = result.rgbx.data();
  for (int64_t top = 0; top < pixels.rows; top += kSide) {
    const int64_t bottom = std::min(top + kSide, pixels.rows);
    for (int64_t left = 0; left < pixels.columns; left += kSide) {
      const int64_t right = std::min(left + kSide, pixels.columns);
      for (int64_t column = left; column < right; ++column) {
        for (int64_t row = top; row < bottom; ++row) {
          std::memcpy(to + (column * pixels.rows + row) * kChannels,
                      from + (row * pixels.columns + column) * kChannels, kChannels);
        }
      }
    }
  }
  return result;
}

// A part of the rows, where nothing is resized.
Pixels Crop(const Pixels& pixels, const Placement& placement) {
  Pixels result;
  result.width = placement.width;
  result.height = placement.height;
  result.left = placement.left;
  result.top = placement.top;
  result.columns = placement.columns;
  result.rows = placement.rows;
  result.rgbx.resize(result.rows * result.columns * kChannels);
  for (int64_t row = 0; row < result.rows; ++row) {
    const uint8_t* const from =
        pixels.Row(placement.top - pixels.top + row) + (placement.left - pixels.left) * kChannels;
    std::memcpy(result.Row(row), from, result.columns * kChannels);
  }
  return result;
}

}  // namespace

Pixels Resample(const Pixels& pixels, const Placement& placement) {
  if (pixels.width == placement.width && pixels.height == placement.height) {
    return Crop(pixels, placement);
  }
  // Columns are resized as the rows of the transposed picture: neighbours in memory are then made
  // of neighbours by the same weights.
  const Pixels rows = ResampleRows(pixels, placement.height, placement.top, placement.rows);
  return Transposed(
      ResampleRows(Transposed(rows), placement.width, placement.left, placement.columns));
}

}  // namespace acclimate::data
