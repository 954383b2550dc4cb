// Resizes by a triangle filter that grows with the reduction, as Pillow's and torchvision's
// antialiased bilinear resizing do.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_RESAMPLE_H_
#define ACCLIMATE_CORE_DATA_PICTURES_RESAMPLE_H_

#include "core/data/pictures/pixels.h"
#include "core/data/pictures/placement.h"

namespace acclimate::data {

// The placement's part of the picture, of placement.columns x placement.rows. `pixels` holds at
// least the spans that it needs (NeededSpan).
Pixels Resample(const Pixels& pixels, const Placement& placement);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_RESAMPLE_H_
