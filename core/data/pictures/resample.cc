#include "core/data/pictures/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace acclimate::data {
namespace {

// Weights are whole numbers of 2^-kWeightBits: sums of bytes by them stay within 32 bits.
constexpr int kWeightBits = 16;
constexpr int64_t kChannels = Pixels::kBytes;

// One pixel, a number a channel. GCC and Clang make SIMD instructions of it on every processor.
typedef int32_t Sums __attribute__((vector_size(4 * sizeof(int32_t))));
typedef uint8_t Bytes __attribute__((vector_size(4)));

Sums Load(const uint8_t* pixel) {
  Bytes bytes;
  std::memcpy(&bytes, pixel, sizeof(bytes));
  return __builtin_convertvector(bytes, Sums);
}

// Weights are positive and add up to one, so that no sum leaves a byte's range.
void Store(Sums sums, uint8_t* pixel) {
  const Bytes bytes = __builtin_convertvector(sums >> kWeightBits, Bytes);
  std::memcpy(pixel, &bytes, sizeof(bytes));
}

constexpr int32_t kHalf = 1 << (kWeightBits - 1);
constexpr Sums kRounding = {kHalf, kHalf, kHalf, kHalf};

// What one place of the result is made of.
struct Taps {
  int64_t begin = 0;             // the first place that it reads, counted within the part
  std::vector<int32_t> weights;  // from there on
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
    int32_t rest = 1 << kWeightBits;
    for (const double weight : weights) {
      taps.weights.push_back(static_cast<int32_t>(std::lrint(weight / total * (1 << kWeightBits))));
      rest -= taps.weights.back();
    }
    // What rounding left goes to the largest, so that a flat picture stays as it is.
    *std::max_element(taps.weights.begin(), taps.weights.end()) += rest;
  }
  return all;
}

// Columns [begin, end) of the part.
Pixels ResampleRows(const Pixels& pixels, const Placement& placement, int64_t begin, int64_t end) {
  Pixels result;
  result.width = pixels.width;
  result.height = placement.height;
  result.left = pixels.left + begin;
  result.top = placement.top;
  result.columns = end - begin;
  result.rows = placement.rows;
  result.rgbx.resize(result.rows * result.columns * kChannels);
  const std::vector<Taps> taps =
      MakeTaps(pixels.height, placement.height, placement.top, placement.rows, pixels.top);
  for (int64_t row = 0; row < result.rows; ++row) {
    const Taps& of_row = taps[row];
    const uint8_t* const from = pixels.Row(of_row.begin) + begin * kChannels;
    const int64_t stride = pixels.columns * kChannels;
    uint8_t* const to = result.Row(row);
    const int32_t* const weights = of_row.weights.data();
    const auto count = static_cast<int64_t>(of_row.weights.size());
    for (int64_t at = 0; at < result.columns * kChannels; at += kChannels) {
      Sums sums = kRounding;
      for (int64_t k = 0; k < count; ++k) sums += Load(from + k * stride + at) * weights[k];
      Store(sums, to + at);
    }
  }
  return result;
}

Pixels ResampleColumns(const Pixels& pixels, const Placement& placement) {
  Pixels result;
  result.width = placement.width;
  result.height = placement.height;
  result.left = placement.left;
  result.top = pixels.top;
  result.columns = placement.columns;
  result.rows = pixels.rows;
  result.rgbx.resize(result.rows * result.columns * kChannels);
  const std::vector<Taps> taps =
      MakeTaps(pixels.width, placement.width, placement.left, placement.columns, pixels.left);
  for (int64_t row = 0; row < result.rows; ++row) {
    const uint8_t* const from = pixels.Row(row);
    uint8_t* const to = result.Row(row);
    for (int64_t column = 0; column < result.columns; ++column) {
      const Taps& of_column = taps[column];
      const uint8_t* const first = from + of_column.begin * kChannels;
      const auto count = static_cast<int64_t>(of_column.weights.size());
      Sums sums = kRounding;
      for (int64_t k = 0; k < count; ++k) {
        sums += Load(first + k * kChannels) * of_column.weights[k];
      }
      Store(sums, to + column * kChannels);
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
  const Span span = NeededSpan(pixels.width, placement.width, placement.left, placement.columns);
  // Rows first: fewer of them are left for the columns.
  return ResampleColumns(ResampleRows(pixels, placement, span.begin - pixels.left,
                                      std::min(span.end - pixels.left, pixels.columns)),
                         placement);
}

}  // namespace acclimate::data
