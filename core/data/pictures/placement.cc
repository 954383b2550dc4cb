#include "core/data/pictures/placement.h"

#include <algorithm>
#include <cmath>

namespace acclimate::data {

Placement PlacementFor(int64_t width, int64_t height, const PictureConvention& convention) {
  if (convention.size == 0) return {width, height, 0, 0, width, height};
  const int64_t size = convention.size, resize = std::max(convention.resize, size);
  Placement placement;
  placement.columns = placement.rows = size;
  if (width <= height) {
    placement.width = resize;
    placement.height = std::max(resize, resize * height / width);
  } else {
    placement.height = resize;
    placement.width = std::max(resize, resize * width / height);
  }
  // Half to even, as Python's round().
  placement.left = std::lrint(static_cast<double>(placement.width - size) / 2);
  placement.top = std::lrint(static_cast<double>(placement.height - size) / 2);
  return placement;
}

Span NeededSpan(int64_t from, int64_t to, int64_t left, int64_t count) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);
  const double first = (static_cast<double>(left) + 0.5) * scale - support;
  const double last = (static_cast<double>(left + count) - 0.5) * scale + support;
  return {std::max<int64_t>(0, static_cast<int64_t>(std::floor(first))),
          std::min(from, static_cast<int64_t>(std::ceil(last)) + 1)};
}

}  // namespace acclimate::data
