// Rows of length one.
#ifndef ACCLIMATE_CORE_LOSSES_UNIT_ROWS_H_
#define ACCLIMATE_CORE_LOSSES_UNIT_ROWS_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// rows: [N, D] -> each divided by its Euclidean length; a row of zeros stays one.
at::Tensor UnitRows(const at::Tensor& rows);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_UNIT_ROWS_H_
