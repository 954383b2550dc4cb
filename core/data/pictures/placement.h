// Which part of a picture a sample shows, and how finely.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PLACEMENT_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PLACEMENT_H_

#include <cstdint>

#include "core/data/pictures/picture_convention.h"

namespace acclimate::data {

// The picture, resized to width x height, of which columns [left, left + columns) and rows
// [top, top + rows) are the sample.
struct Placement {
  int64_t width = 0, height = 0, left = 0, top = 0, columns = 0, rows = 0;
};

// Of a picture of this size, by torchvision's rounding.
Placement PlacementFor(int64_t width, int64_t height, const PictureConvention& convention);

// Columns [begin, end) of a picture `from` wide that are needed for columns [left, left + count) of
// the same picture resized to `to`: what the filter of Resample() reads, or a little more. Likewise
// rows.
struct Span {
  int64_t begin = 0, end = 0;
};
Span NeededSpan(int64_t from, int64_t to, int64_t left, int64_t count);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PLACEMENT_H_
